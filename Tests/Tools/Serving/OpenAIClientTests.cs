#pragma warning disable OPENAI001 // Responses are marked as experimental in the client library.
using System.ClientModel;
using System.Text.Json;
using Llama4Kernels.Tests.Engine.Serving;
using OpenAI;
using OpenAI.Chat;
using OpenAI.Models;
using OpenAI.Responses;

namespace Llama4Kernels.Tests.Tools.Serving;

/// <summary>OpenAI's .NET client against the server.</summary>
[Collection(SampleServer.Name)]
public sealed class OpenAIClientTests(SampleServer sample)
{
    private static readonly ChatCompletionOptions s_greedy = new() { Temperature = 0 };

    private Uri Endpoint => new(sample.Client.Server.Address, "v1");

    private ChatClient Chat => new(SampleServer.ModelName, new ApiKeyCredential("unused"), new OpenAIClientOptions { Endpoint = Endpoint });

    [Fact]
    public async Task ItChatsAndStreams()
    {
        ChatCompletion whole = await Chat.CompleteChatAsync([new UserChatMessage(Bodies.Question)], s_greedy);
        Assert.Contains("16", whole.Content[0].Text, StringComparison.Ordinal);
        Assert.Equal(OpenAI.Chat.ChatFinishReason.Stop, whole.FinishReason);
        Assert.True(whole.Usage.TotalTokenCount > whole.Usage.OutputTokenCount);
        string text = "";
        ChatTokenUsage? usage = null;
        await foreach (StreamingChatCompletionUpdate update in Chat.CompleteChatStreamingAsync([new UserChatMessage(Bodies.Question)], s_greedy))
        {
            text += string.Concat(update.ContentUpdate.Select(part => part.Text));
            usage = update.Usage ?? usage;
        }
        Assert.Equal(whole.Content[0].Text, text);
        Assert.Equal(whole.Usage.OutputTokenCount, usage!.OutputTokenCount);
    }

    [Fact]
    public async Task ItCallsTools()
    {
        ChatTool tool = ChatTool.CreateFunctionTool("get_time", "Time in a city", BinaryData.FromString("""{"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}"""));
        ChatCompletionOptions options = new() { Temperature = 0, Tools = { tool }, ToolChoice = ChatToolChoice.CreateRequiredChoice() };
        List<OpenAI.Chat.ChatMessage> messages = [new UserChatMessage("What time is it in Oslo?")];
        ChatCompletion asked = await Chat.CompleteChatAsync(messages, options);
        Assert.Equal(OpenAI.Chat.ChatFinishReason.ToolCalls, asked.FinishReason);
        ChatToolCall call = Assert.Single(asked.ToolCalls);
        Assert.Equal("Oslo", JsonDocument.Parse(call.FunctionArguments).RootElement.GetProperty("city").GetString());
        messages.Add(new AssistantChatMessage(asked));
        messages.Add(new ToolChatMessage(call.Id, """{"time": "14:05"}"""));
        options.ToolChoice = ChatToolChoice.CreateNoneChoice();
        Assert.Contains("14:05", (await Chat.CompleteChatAsync(messages, options)).Value.Content[0].Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ItShowsPicturesAndReadsErrors()
    {
        BinaryData picture = BinaryData.FromBytes(File.ReadAllBytes(GoldenFiles.Path("nano", "pictures", "one.png")));
        ChatCompletion seen = await Chat.CompleteChatAsync([new UserChatMessage(ChatMessageContentPart.CreateImagePart(picture, "image/png"), ChatMessageContentPart.CreateTextPart("What is in the picture?"))], s_greedy);
        Assert.NotEmpty(seen.Content[0].Text);
        ClientResultException error = await Assert.ThrowsAsync<ClientResultException>(() => Chat.CompleteChatAsync([new UserChatMessage(ChatMessageContentPart.CreateImagePart(new Uri("https://example.org/a.png")))]));
        Assert.Equal(400, error.Status);
        Assert.Contains("unsupported_image_url", error.Message, StringComparison.Ordinal);
        Assert.Equal(SampleServer.ModelName, Assert.Single((await new OpenAIModelClient(new ApiKeyCredential("unused"), new OpenAIClientOptions { Endpoint = Endpoint }).GetModelsAsync()).Value).Id);
    }

    [Fact]
    public async Task ItCancels()
    {
        using var cancellation = new CancellationTokenSource();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (StreamingChatCompletionUpdate _ in Chat.CompleteChatStreamingAsync([new UserChatMessage("Count to a thousand.")], new ChatCompletionOptions { Temperature = 1 }, cancellation.Token))
            {
                await cancellation.CancelAsync();
            }
        });
        await sample.Engine.IsIdle();
    }

    [Fact]
    public async Task ItTakesResponses()
    {
        var client = new ResponsesClient(new ApiKeyCredential("unused"), new ResponsesClientOptions { Endpoint = Endpoint });
        CreateResponseOptions Ask(bool stream) => new() { Model = SampleServer.ModelName, Temperature = 0, StreamingEnabled = stream, InputItems = { ResponseItem.CreateUserMessageItem(Bodies.Question) } };
        ResponseResult whole = await client.CreateResponseAsync(Ask(false));
        Assert.Contains("16", whole.GetOutputText(), StringComparison.Ordinal);
        Assert.Equal(ResponseStatus.Completed, whole.Status);
        string text = "";
        ResponseResult? last = null;
        await foreach (StreamingResponseUpdate update in await client.CreateResponseStreamingAsync(Ask(true)))
        {
            text += (update as StreamingResponseOutputTextDeltaUpdate)?.Delta;
            last = (update as StreamingResponseCompletedUpdate)?.Response ?? last;
        }
        Assert.Equal(whole.GetOutputText(), text);
        Assert.Equal(whole.Usage.OutputTokenCount, last!.Usage.OutputTokenCount);
    }
}
