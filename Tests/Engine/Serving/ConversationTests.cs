using System.Text;
using System.Text.Json.Nodes;
using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Constraints;
using Llama4Kernels.Engine.Generation;
using Llama4Kernels.Engine.Images;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Scheduling;
using Llama4Kernels.Engine.Serving;
using Llama4Kernels.Tests.Engine.Model;

namespace Llama4Kernels.Tests.Engine.Serving;

/// <summary>Turns, pictures, tools; answers that are cut; calls in the wrong order or at the wrong time.</summary>
[Collection(nameof(ModelCollection))]
public sealed class ConversationTests(ModelFixture models)
{
    private const string Question = "How many experts does Scout have?";

    private static readonly ToolDefinition[] s_tools =
    [
        new("get_time", "Local time in a city", JsonNode.Parse("""{"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}""")!),
        new("get_weather", "Weather in a city", JsonNode.Parse("""{"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}""")!),
    ];

    private static readonly ConversationOptions s_greedy = new() { Generation = new GenerationOptions { Temperature = 0, MaxTokens = 60 } };

    private Llama4Model Nano => models.Get("nano");

    [Fact]
    public async Task ATurnComputesOnlyWhatIsNewAndSaysWhatTheWholePromptWould()
    {
        await using var engine = new Llama4Engine(Nano);
        Conversation conversation = engine.CreateConversation(s_greedy with { System = "Answer shortly." });
        conversation.Add(Question);
        Assert.Equal("Scout has 16 experts.", (await Answer(conversation)).Text);
        Assert.Equal(("Scout has 16 experts.", FinishReason.EndOfTurn), (conversation.Answer!.Text, conversation.Answer.FinishReason));
        int before = conversation.Tokens;
        conversation.Add("And Maverick?");
        (string text, Usage usage) = await Answer(conversation);
        Assert.Equal(before - 1, usage.CachedTokens);
        Assert.Equal([ChatRole.System, ChatRole.User, ChatRole.Assistant, ChatRole.User, ChatRole.Assistant], conversation.Messages.Select(message => message.Role));
        await using var fresh = new Llama4Engine(Nano);
        Conversation again = fresh.CreateConversation(s_greedy);
        foreach (ChatMessage message in conversation.Messages.SkipLast(1))
        {
            again.Add(message);
        }
        Assert.Equal(text, (await Answer(again)).Text);
    }

    [Fact]
    public async Task PicturesComeBeforeTheTextOfTheirTurnAndStay()
    {
        await using var engine = new Llama4Engine(Nano);
        Conversation conversation = engine.CreateConversation(s_greedy);
        ImageContent one = Nano.LoadPicture(GoldenFiles.Path("nano", "pictures", "one.png"));
        ImageContent other = Nano.LoadPicture(File.ReadAllBytes(GoldenFiles.Path("nano", "pictures", "other.png")));
        conversation.Add("What is in each picture?", [one, other]);
        (string text, Usage usage) = await Answer(conversation);
        Assert.Equal((one.Image!.Tiles + other.Image!.Tiles) * Nano.TokensPerTile, usage.ImageTokens);
        Prompt whole = Nano.Chat.EncodePrompt([new ChatMessage(ChatRole.User, [one, other, new TextContent("What is in each picture?")])]);
        await using var fresh = new Llama4Engine(Nano);
        var expected = new StringBuilder();
        await foreach (GenerationUpdate update in fresh.GenerateAsync(new GenerationRequest(whole, s_greedy.Generation)))
        {
            expected.Append(update.Text);
        }
        Assert.Equal(expected.ToString(), text);
        conversation.Add("How many shapes are there?");
        Assert.Equal(usage.ImageTokens, (await Answer(conversation)).Usage.ImageTokens);
    }

    [Fact]
    public async Task CallsAreReadAndTheirResultsAnswered()
    {
        await using var engine = new Llama4Engine(Nano);
        Conversation conversation = engine.CreateConversation(s_greedy with { Tools = s_tools });
        conversation.Add("What is the weather in Lima?");
        await Answer(conversation);
        ToolCall call = Assert.Single(conversation.Answer!.ToolCalls);
        Assert.Equal(("get_weather", "Lima"), (call.Name, call.Arguments["city"]!.GetValue<string>()));
        Assert.Throws<ArgumentException>(() => conversation.Add(toolResults: ["sunny", "too much"]));
        conversation.Add(toolResults: ["{\"temperature\": 22}"]);
        Assert.Throws<ArgumentException>(() => conversation.Add(toolResults: ["again"]));
        (string text, Usage usage) = await Answer(conversation);
        Assert.NotEmpty(text);
        Assert.True(usage.CachedTokens > 0);
        Assert.Equal([ChatRole.System, ChatRole.User, ChatRole.Assistant, ChatRole.Tool, ChatRole.Assistant], conversation.Messages.Select(message => message.Role));
        string all = Nano.Tokenizer.Decode(Nano.Chat.EncodePrompt(conversation.Messages, ToolPromptFormat.PythonList).Ids);
        Assert.Contains("[get_weather(city=\"Lima\")]<|eom|><|header_start|>ipython<|header_end|>\n\n{\"temperature\": 22}<|eom|>", all, StringComparison.Ordinal);
    }

    [Fact]
    public async Task UpdatesTellContentAndCallsApart()
    {
        await using var engine = new Llama4Engine(Nano);
        Conversation conversation = engine.CreateConversation(s_greedy with { Tools = s_tools });
        conversation.Add("What is the weather in Lima?");
        List<GenerationUpdate> updates = [];
        await foreach (GenerationUpdate update in conversation.AnswerAsync())
        {
            updates.Add(update);
        }
        ToolCall call = Assert.Single(updates.SelectMany(update => update.ToolCalls));
        Assert.Equal(("get_weather", "Lima"), (call.Name, call.Arguments["city"]!.GetValue<string>()));
        Assert.Equal("[get_weather(city=\"Lima\")]", string.Concat(updates.Select(update => update.Text)));
        Assert.Equal("", string.Concat(updates.Select(update => update.Content)));
        Conversation plain = engine.CreateConversation(s_greedy);
        plain.Add("What is the weather in Lima?");
        await foreach (GenerationUpdate update in plain.AnswerAsync())
        {
            Assert.Equal((update.Text, 0), (update.Content, update.ToolCalls.Count));
        }
    }

    [Fact]
    public async Task AnswersKeepToTheChoiceOfTools()
    {
        await using var engine = new Llama4Engine(Nano);
        Conversation conversation = engine.CreateConversation(s_greedy with { Tools = s_tools, ToolChoice = ToolChoice.Named("get_time") });
        conversation.Add("What is the weather in Lima?");
        await Answer(conversation);
        Assert.Equal(["get_time"], conversation.Answer!.ToolCalls.Select(call => call.Name));
        int tokens = conversation.Tokens;
        conversation.Add(toolResults: ["12:00"]);
        conversation.ToolChoice = ToolChoice.None;
        await Answer(conversation);
        Assert.Empty(conversation.Answer.ToolCalls);
        Assert.True(conversation.Tokens > tokens);
        conversation.Add("And now?");
        var constrained = new GenerationOptions { Constraint = Nano.Constraints.Regex("a+") };
        await Assert.ThrowsAsync<ArgumentException>(() => Answer(conversation, constrained));
        conversation.ToolChoice = null;
        Assert.Matches("^a+$", (await Answer(conversation, constrained with { MaxTokens = 5 })).Text);
        Assert.Throws<ArgumentException>(() => conversation.ToolChoice = ToolChoice.Named("no_such_tool"));
        Assert.Throws<ArgumentException>(() => engine.CreateConversation(new ConversationOptions { ToolChoice = ToolChoice.Required }));
        Assert.Throws<ArgumentException>(() => new ConversationOptions { Tools = [s_tools[0], s_tools[0]] });
        Assert.Throws<ConstraintException>(() => engine.CreateConversation(new ConversationOptions
        {
            Tools = [new("f", "", JsonNode.Parse("""{"properties": {"x": {"type": "nothing"}}}""")!)],
            ToolChoice = ToolChoice.Required,
        }));
    }

    [Fact]
    public async Task WhatCannotBeIsAnErrorAndChangesNothing()
    {
        await using var engine = new Llama4Engine(Nano);
        Conversation conversation = engine.CreateConversation(s_greedy);
        int tokens = conversation.Tokens;
        await Assert.ThrowsAsync<InvalidOperationException>(() => Answer(conversation));
        Assert.Throws<ArgumentException>(() => conversation.Add());
        Assert.Throws<ArgumentException>(() => conversation.Add(toolResults: ["of no call"]));
        Assert.Throws<ArgumentException>(() => conversation.Add(new ChatMessage(ChatRole.User, [new TextContent("x"), null!])));
        Assert.Throws<ArgumentException>(() => conversation.Add("x", [null!]));
        Assert.Equal((tokens, 0), (conversation.Tokens, conversation.Messages.Count));
        conversation.Add(Question);
        await Answer(conversation);
        await Assert.ThrowsAsync<InvalidOperationException>(() => Answer(conversation));
        Assert.Equal("Scout has 16 experts.", conversation.Answer!.Text);
        using Llama4Model blind = Llama4Model.Load(GoldenFiles.SampleModel, new ModelOptions { LoadVision = false });
        await using var without = new Llama4Engine(blind);
        ImageContent picture = Nano.LoadPicture(GoldenFiles.Path("nano", "pictures", "one.png"));
        Assert.Throws<ArgumentException>(() => without.CreateConversation().Add("x", [picture]));
        Assert.Throws<ArgumentException>(() => blind.LoadPicture(GoldenFiles.Path("nano", "pictures", "one.png")));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task ACutAnswerIsKeptAndEnded(bool cancel)
    {
        await using var engine = new Llama4Engine(Nano);
        Conversation conversation = engine.CreateConversation(s_greedy);
        conversation.Add(Question);
        int asked = conversation.Tokens, read = 0;
        using var source = new CancellationTokenSource();
        try
        {
            await foreach (GenerationUpdate update in conversation.AnswerAsync(cancellation: source.Token))
            {
                Assert.Throws<InvalidOperationException>(() => conversation.Add("meanwhile"));
                Assert.Throws<InvalidOperationException>(() => conversation.ToolChoice = null);
                await Assert.ThrowsAsync<InvalidOperationException>(() => Answer(conversation));
                Assert.Null(conversation.Answer);
                if (++read == 3)
                {
                    if (!cancel)
                    {
                        break;
                    }
                    source.Cancel();
                }
            }
            Assert.False(cancel);
        }
        catch (OperationCanceledException) when (cancel)
        {
        }
        Assert.Equal(3, read);
        Assert.Equal(FinishReason.Cancelled, conversation.Answer!.FinishReason);
        Assert.StartsWith(conversation.Answer.Text, "Scout has 16 experts.", StringComparison.Ordinal);
        // The header of an answer, what came of it, and a terminator.
        int header = Nano.Chat.EncodePrompt([]).Ids.Length - 1;
        Assert.Equal(asked + header + 3 + 1, conversation.Tokens);
        conversation.Add(Question);
        Assert.NotEmpty((await Answer(conversation)).Text);
    }

    [Fact]
    public async Task AnAnswerOfWhichNothingCameWasNotAskedFor()
    {
        using Llama4Model model = Llama4Model.Load(GoldenFiles.SampleModel);
        var engine = new Llama4Engine(model, new EngineOptions { MaxContext = 64 });
        Conversation conversation = engine.CreateConversation(s_greedy);
        conversation.Add(Question);
        int tokens = conversation.Tokens;
        using var cancelled = new CancellationTokenSource();
        cancelled.Cancel();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Answer(conversation, cancellation: cancelled.Token));
        Assert.Equal((tokens, null, 1), (conversation.Tokens, conversation.Answer, conversation.Messages.Count));
        Assert.Equal("Scout has 16 experts.", (await Answer(conversation)).Text);
        conversation.Add(string.Concat(Enumerable.Repeat("more and ", 60)));
        await Assert.ThrowsAsync<ContextOverflowException>(() => Answer(conversation));
        await engine.DisposeAsync();
        Conversation late = engine.CreateConversation(s_greedy);
        late.Add(Question);
        tokens = late.Tokens;
        await Assert.ThrowsAsync<ObjectDisposedException>(() => Answer(late));
        Assert.Equal(tokens, late.Tokens);
    }

    private static async Task<(string Text, Usage Usage)> Answer(Conversation conversation, GenerationOptions? options = null, CancellationToken cancellation = default)
    {
        var text = new StringBuilder();
        Usage? usage = null;
        await foreach (GenerationUpdate update in conversation.AnswerAsync(options, null, cancellation))
        {
            text.Append(update.Text);
            usage = update.Usage ?? usage;
        }
        return (text.ToString(), usage!);
    }
}
