using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace Llama4Kernels.Samples;

/// <summary>An ASP.NET Core host that streams answers as server-sent events, and says when it is ready.</summary>
public static class WebSample
{
    public static WebApplication Create(params string[] args)
    {
        #region docs/hosting.md
        WebApplicationBuilder builder = WebApplication.CreateBuilder(args);
        builder.Services.AddLlama4Engine(builder.Configuration.GetSection("Llama4"));
        builder.Services.AddLlama4ChatClient().UseLogging().UseOpenTelemetry();
        WebApplication app = builder.Build();
        app.MapHealthChecks("/health/ready");
        app.MapGet("/chat", (string question, IChatClient client, CancellationToken gone) => TypedResults.ServerSentEvents(
            client.GetStreamingResponseAsync(question, new ChatOptions { MaxOutputTokens = 200 }, gone).Select(update => update.Text)));
        #endregion
        return app;
    }
}
