using Llama4Kernels.Engine.Serving;
using Llama4Kernels.Hosting;
using Microsoft.Extensions.AI;

namespace Llama4Kernels.Samples;

/// <summary>A question about a picture, and what of the prompt the picture took.</summary>
public static class PictureSample
{
    public static async Task RunAsync(string model, string file, TextWriter output)
    {
        #region docs/hosting.md
        await using Llama4Engine engine = await Llama4Engine.LoadAsync(model);
        IChatClient client = new Llama4ChatClient(engine);
        var question = new ChatMessage(ChatRole.User, [await DataContent.LoadFromAsync(file), new TextContent("What is in the picture?")]);
        ChatResponse response = await client.GetResponseAsync(question, new ChatOptions { Temperature = 0 });
        output.WriteLine(response.Text);
        output.WriteLine($"{response.Usage!.AdditionalCounts![Llama4ChatClient.ImageTokenCount]} of {response.Usage.InputTokenCount} tokens are the picture's.");
        #endregion
    }
}
