using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Llama4Kernels.Samples;

/// <summary>A question in a console host, the answer as it comes.</summary>
public static class ConsoleSample
{
    public static async Task RunAsync(string model, TextWriter output)
    {
        #region docs/hosting.md
        HostApplicationBuilder builder = Host.CreateApplicationBuilder();
        builder.Services.AddLlama4Engine(options => options.Model = model);
        builder.Services.AddLlama4ChatClient();
        builder.Logging.SetMinimumLevel(LogLevel.Warning);   // the progress of loading is logged as information
        using IHost host = builder.Build();
        await host.StartAsync();

        IChatClient client = host.Services.GetRequiredService<IChatClient>();
        await foreach (ChatResponseUpdate update in client.GetStreamingResponseAsync("How many experts does Scout have?", new ChatOptions { Temperature = 0 }))
        {
            output.Write(update.Text);
        }
        await host.StopAsync();
        #endregion
        output.WriteLine();
    }
}
