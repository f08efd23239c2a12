using System.Text.Json.Nodes;
using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Generation;
using Llama4Kernels.Engine.Serving;

namespace Llama4Kernels.Tests.Repository;

/// <summary>The README's library sample, word for word but for what stands for files and the console.</summary>
internal static class ReadmeSample
{
    public static async Task RunAsync(string folder, string file, TextWriter output)
    {
        // README: begin
        await using Llama4Engine engine = await Llama4Engine.LoadAsync(folder);
        GenerationOptions greedy = new() { Temperature = 0 };

        // A question about a picture, and another one.
        Conversation conversation = engine.CreateConversation(new ConversationOptions { Generation = greedy });
        conversation.Add("What is in the picture?", [engine.Model.LoadPicture(file)]);
        await foreach (GenerationUpdate update in conversation.AnswerAsync())
        {
            output.Write(update.Text);
        }
        conversation.Add("How many shapes are there?");
        await foreach (GenerationUpdate update in conversation.AnswerAsync())
        {
            output.Write(update.Text);
        }

        // A tool, called and answered.
        ToolDefinition weather = new("get_weather", "Weather in a city", JsonNode.Parse(
            """{"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}""")!);
        Conversation assistant = engine.CreateConversation(new ConversationOptions { Tools = [weather], ToolChoice = ToolChoice.Required, Generation = greedy });
        assistant.Add("What is the weather in Lima?");
        await foreach (GenerationUpdate _ in assistant.AnswerAsync())
        {
        }
        foreach (ToolCall call in assistant.Answer!.ToolCalls)
        {
            output.WriteLine($"{call.Name} {call.Arguments.ToJsonString()}");
        }
        assistant.Add(toolResults: ["""{"temperature": 22}"""]);
        assistant.ToolChoice = ToolChoice.None;
        await foreach (GenerationUpdate update in assistant.AnswerAsync())
        {
            output.Write(update.Text);
        }
        // README: end
    }
}
