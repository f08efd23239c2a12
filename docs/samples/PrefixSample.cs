using Llama4Kernels.Engine.Serving;
using Llama4Kernels.Hosting;
using Microsoft.Extensions.AI;

namespace Llama4Kernels.Samples;

/// <summary>Turns of a conversation and requests with the same beginning compute only what is new.</summary>
public static class PrefixSample
{
    public static async Task RunAsync(string model, TextWriter output)
    {
        #region docs/hosting.md
        await using Llama4Engine engine = await Llama4Engine.LoadAsync(model);
        IChatClient client = new Llama4ChatClient(engine);
        var options = new ChatOptions
        {
            Temperature = 0,
            Instructions = "Answer questions about Llama 4.",
            // Only requests of the same salt share what is cached: give each tenant one.
            AdditionalProperties = new() { [Llama4Properties.CacheSalt] = "tenant 1" },
        };
        List<ChatMessage> conversation = [];
        foreach (string question in new[] { "How many experts does Scout have?", "How many experts does Maverick have?" })
        {
            conversation.Add(new ChatMessage(ChatRole.User, question));
            ChatResponse response = await client.GetResponseAsync(conversation, options);
            conversation.AddMessages(response);
            output.WriteLine($"{response.Text} ({response.Usage!.CachedInputTokenCount} of {response.Usage.InputTokenCount} tokens were cached)");
        }
        #endregion
    }
}
