using System.Net;
using Llama4Kernels.Engine.Serving;
using Llama4Kernels.Server.Endpoints;
using Llama4Kernels.Server.Page;
using Llama4Kernels.Server.Serving;
using Llama4Kernels.Server.Telemetry;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Llama4Kernels.Server;

/// <summary>
/// An HTTP server that speaks OpenAI's protocol for an engine. It listens at once and answers 503 until the engine is there.
/// Configuration comes from its options alone: neither files beside the program nor the environment open an address.
/// </summary>
public sealed class Llama4Server : IAsyncDisposable
{
    private readonly WebApplication _application;
    private readonly ServerState _state;
    private bool _isStopped;

    private Llama4Server(WebApplication application, ServerState state)
    {
        _application = application;
        _state = state;
    }

    /// <summary>Its addresses, as they were declared.</summary>
    internal IEnumerable<RouteEndpoint> Routes => _application.Services.GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>();

    /// <summary>Where it listens, with the port that it took.</summary>
    public Uri Address { get; private set; } = null!;

    /// <summary>Starts to listen.</summary>
    /// <param name="options">Where, for whom, and the limits.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="ArgumentException">The options would let everyone in unasked.</exception>
    /// <exception cref="IOException">The port is taken.</exception>
    public static async Task<Llama4Server> StartAsync(ServerOptions options, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Check();
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { ApplicationName = typeof(Llama4Server).Assembly.GetName().Name });
        options.Logging?.Invoke(builder.Logging);
        // Why it did not start is the caller's exception.
        builder.Logging.AddFilter("Microsoft.Extensions.Hosting.Internal.Host", LogLevel.None);
        builder.Services.AddRoutingCore();
        Exporter.Add(builder.Services, Environment.GetEnvironmentVariable);
        builder.Services.AddCors();
        // Signals are the program's business: a library does not end its process.
        builder.Services.AddSingleton<IHostLifetime, NoLifetime>();
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => Configure(kestrel, options));
        WebApplication application = builder.Build();
        var state = new ServerState(options, application.Services.GetRequiredService<ILoggerFactory>().CreateLogger("Llama4Kernels.Server"));
        var server = new Llama4Server(application, state);
        server.Map();
        try
        {
            await application.StartAsync(cancellation).ConfigureAwait(false);
        }
        catch
        {
            await application.DisposeAsync().ConfigureAwait(false);
            throw;
        }
        server.Address = new Uri(application.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());
        return server;
    }

    /// <summary>The engine is there: requests are served from now on. The caller keeps it, and disposes it after the server.</summary>
    public void Serve(Llama4Engine engine)
    {
        ArgumentNullException.ThrowIfNull(engine);
        _state.Begin(engine);
    }

    /// <summary>
    /// Takes no more connections and waits for the requests that it has, but no longer than <see cref="ServerLimits.DrainTime"/>;
    /// those that are not done then are ended.
    /// </summary>
    /// <returns>Whether all were done.</returns>
    public async Task<bool> StopAsync()
    {
        _isStopped = true;
        _state.End();
        using var bound = new CancellationTokenSource(_state.Limits.DrainTime);
        await _application.StopAsync(bound.Token).ConfigureAwait(false);
        return !bound.IsCancellationRequested;
    }

    /// <summary>Ends it, as <see cref="StopAsync"/> does if that was not called.</summary>
    public async ValueTask DisposeAsync()
    {
        if (!_isStopped)
        {
            await StopAsync().ConfigureAwait(false);
        }
        await _application.DisposeAsync().ConfigureAwait(false);
        _state.Dispose();
    }

    private static void Configure(KestrelServerOptions kestrel, ServerOptions options)
    {
        ServerLimits limits = options.Limits;
        kestrel.AddServerHeader = false;
        kestrel.Limits.MaxRequestBodySize = limits.MaxBodyBytes;
        kestrel.Limits.MaxConcurrentConnections = limits.MaxConnections;
        kestrel.Limits.RequestHeadersTimeout = limits.SlowClientTime;
        // Bytes a second, counted once the time is over that a client may leave the server waiting. Streams count their own time.
        kestrel.Limits.MinRequestBodyDataRate = new MinDataRate(1024, limits.SlowClientTime);
        kestrel.Limits.MinResponseDataRate = new MinDataRate(16 << 10, limits.SlowClientTime);
        kestrel.Listen(new IPEndPoint(options.Address, options.Port), listen => listen.Protocols = HttpProtocols.Http1);
    }

    private void Map()
    {
        var pipeline = new RequestPipeline(_state);
        // Before the key is asked for: the page itself asks for it.
        _application.Use(next => context => PageFiles.HandleAsync(context, next));
        if (_state.Options.CorsOrigins.Count > 0)
        {
            // Before the key is asked for: a browser asks whether it may ask without it.
            _application.UseCors(policy => policy.WithOrigins([.. _state.Options.CorsOrigins]).WithMethods("GET", "POST").WithHeaders("Authorization", "Content-Type"));
        }
        _application.Use(next => context => pipeline.HandleAsync(context, next));
        _application.MapGet(RequestPipeline.LivePath, HealthEndpoint.LiveAsync);
        _application.MapGet("/health/ready", context => HealthEndpoint.ReadyAsync(context, _state));
        _application.MapGet("/v1/models", context => ModelsEndpoint.ListAsync(context, _state));
        _application.MapGet("/v1/models/{name}", context => ModelsEndpoint.GetAsync(context, _state));
        _application.MapGet("/openapi.json", OpenApiEndpoint.GetAsync);
        _application.MapGet("/metrics", context => MetricsEndpoint.GetAsync(context, _state));
        // The operations are as OpenTelemetry's conventions call them.
        _application.MapPost("/v1/chat/completions", pipeline.Serve("chat", ChatEndpoint.RunAsync));
        _application.MapPost("/v1/responses", pipeline.Serve("chat", ResponsesEndpoint.RunAsync));
        _application.MapPost("/v1/completions", pipeline.Serve("text_completion", CompletionsEndpoint.RunAsync));
        _application.MapPost("/tokenize", pipeline.Serve("tokenize", TokenizeEndpoint.TokenizeAsync));
        _application.MapPost("/detokenize", pipeline.Serve("detokenize", TokenizeEndpoint.DetokenizeAsync));
    }

    private sealed class NoLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
