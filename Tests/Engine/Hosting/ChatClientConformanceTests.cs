using System.Text.Json;
using Llama4Kernels.Engine.Serving;
using Llama4Kernels.Engine.Tokenization;
using Llama4Kernels.Hosting;
using Microsoft.Extensions.AI;

namespace Llama4Kernels.Tests.Engine.Hosting;

/// <summary>The client as the contract of <see cref="IChatClient"/> has it, bare and in each of the usual wrappers.</summary>
public sealed class ChatClientConformanceTests(ChatClientFixture fixture) : IClassFixture<ChatClientFixture>
{
    public static TheoryData<string, string> Answers => Rows(ChatClientAnswerRows.All.Keys);

    public static TheoryData<string, string> Errors => Rows(ChatClientErrorRows.All.Keys);

    [Theory]
    [MemberData(nameof(Answers))]
    public async Task WhatIsAskedForIsHonoured(string row, string wrapper)
    {
        AnswerRow asked = ChatClientAnswerRows.All[row];
        IChatClient client = fixture.Wrap(wrapper);
        string before = Written(asked.Options, asked.Messages);
        ChatResponse response = await client.GetResponseAsync(asked.Messages, asked.Options);
        CheckShape(response);
        await asked.Check(fixture, response);
        List<ChatResponseUpdate> updates = await Stream(fixture.Wrap(wrapper), asked);
        CheckShape(updates);
        await asked.Check(fixture, updates.ToChatResponse());
        Assert.Equal(before, Written(asked.Options, asked.Messages));
    }

    [Theory]
    [MemberData(nameof(Errors))]
    public async Task WhatCannotBeHonouredIsRefused(string row, string wrapper)
    {
        ErrorRow asked = ChatClientErrorRows.All[row];
        if (wrapper != ChatClientFixture.Bare && !asked.WrittenByWrappers)
        {
            return;
        }
        Exception error = await Assert.ThrowsAsync(asked.Error, () => fixture.Wrap(wrapper).GetResponseAsync(asked.Messages, asked.Options));
        Assert.Contains(asked.Named, error.Message, StringComparison.Ordinal);
        await using IAsyncEnumerator<ChatResponseUpdate> stream = fixture.Wrap(wrapper).GetStreamingResponseAsync(asked.Messages, asked.Options).GetAsyncEnumerator();
        Assert.Contains(asked.Named, (await Assert.ThrowsAsync(asked.Error, async () => await stream.MoveNextAsync())).Message, StringComparison.Ordinal);
        Assert.Equal((0, 0), (fixture.Engine.Running, fixture.Engine.Waiting));
    }

    [Fact]
    public void ServicesAreThoseOfTheEngine()
    {
        ChatClientMetadata metadata = fixture.Client.GetRequiredService<ChatClientMetadata>();
        Assert.Equal(("llama4kernels", "nano"), (metadata.ProviderName, metadata.DefaultModelId));
        Assert.Same(fixture.Engine, fixture.Wrap("functions").GetService<Llama4Engine>());
        Assert.Same(fixture.Model.Tokenizer, fixture.Client.GetService<Llama4Tokenizer>());
        Assert.Same(fixture.Client, fixture.Client.GetService<IChatClient>());
        Assert.Same(fixture.Client, fixture.Client.GetService<Llama4ChatClient>());
        Assert.Null(fixture.Client.GetService<Llama4Engine>("key"));
        Assert.Null(fixture.Client.GetService<string>());
        Assert.Throws<ArgumentNullException>(() => fixture.Client.GetService(null!));
        Assert.Equal("sample-model", new Llama4ChatClient(fixture.Engine).GetRequiredService<ChatClientMetadata>().DefaultModelId);
    }

    private static TheoryData<string, string> Rows(IEnumerable<string> rows)
    {
        TheoryData<string, string> data = [];
        foreach (string row in rows)
        {
            foreach (string wrapper in ChatClientFixture.Wrappers)
            {
                data.Add(row, wrapper);
            }
        }
        return data;
    }

    private static async Task<List<ChatResponseUpdate>> Stream(IChatClient client, AnswerRow asked)
    {
        List<ChatResponseUpdate> updates = [];
        await foreach (ChatResponseUpdate update in client.GetStreamingResponseAsync(asked.Messages, asked.Options))
        {
            updates.Add(update);
        }
        return updates;
    }

    private static void CheckShape(ChatResponse response)
    {
        Assert.Equal(("nano", null), (response.ModelId, response.ConversationId));
        Assert.NotNull(response.ResponseId);
        Assert.NotNull(response.CreatedAt);
        ChatMessage message = Assert.Single(response.Messages);
        Assert.Equal(ChatRole.Assistant, message.Role);
        Assert.NotNull(message.MessageId);
        CheckUsage(response.Usage!);
    }

    private static void CheckShape(List<ChatResponseUpdate> updates)
    {
        Assert.All(updates, update =>
        {
            Assert.Equal((ChatRole.Assistant, "nano", null), (update.Role!.Value, update.ModelId, update.ConversationId));
            Assert.Equal((updates[0].ResponseId, updates[0].MessageId, updates[0].CreatedAt), (update.ResponseId, update.MessageId, update.CreatedAt));
            Assert.NotNull(update.RawRepresentation);
        });
        Assert.NotNull(updates[0].ResponseId);
        Assert.NotNull(updates[0].MessageId);
        Assert.InRange(updates[0].CreatedAt!.Value, DateTimeOffset.UtcNow.AddMinutes(-1), DateTimeOffset.UtcNow);
        Assert.All(updates.SkipLast(1), update => Assert.Null(update.FinishReason));
        Assert.NotNull(updates[^1].FinishReason);
        CheckUsage(Assert.IsType<UsageContent>(Assert.Single(updates[^1].Contents)).Details);
        Assert.DoesNotContain(updates.SkipLast(1).SelectMany(update => update.Contents), content => content is UsageContent);
    }

    private static void CheckUsage(UsageDetails usage)
    {
        Assert.True(usage.InputTokenCount > 0 && usage.OutputTokenCount > 0);
        Assert.Equal(usage.InputTokenCount + usage.OutputTokenCount, usage.TotalTokenCount);
        Assert.InRange(usage.CachedInputTokenCount!.Value, 0, usage.InputTokenCount!.Value);
        Assert.InRange(usage.AdditionalCounts![Llama4ChatClient.ImageTokenCount], 0, usage.InputTokenCount.Value);
    }

    private static string Written(ChatOptions? options, IReadOnlyList<ChatMessage> messages) =>
        JsonSerializer.Serialize(options, AIJsonUtilities.DefaultOptions) + JsonSerializer.Serialize(messages, AIJsonUtilities.DefaultOptions) + string.Join(',', options?.Tools?.Select(tool => tool.Name) ?? []);
}
