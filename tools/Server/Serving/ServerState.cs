using Llama4Kernels.Engine.Serving;
using Llama4Kernels.Server.Errors;
using Llama4Kernels.Server.Telemetry;
using Microsoft.Extensions.Logging;

namespace Llama4Kernels.Server.Serving;

/// <summary>What all requests of a server share.</summary>
internal sealed class ServerState(ServerOptions options, ILogger log) : IDisposable
{
    private volatile Llama4Engine? _engine;
    private volatile bool _isEnding;
    private volatile Exception? _failure;
    private int _open;

    public ServerOptions Options { get; } = options;

    public ServerLimits Limits => Options.Limits;

    public ILogger Log { get; } = log;

    public ServerMetrics Metrics { get; } = new();

    /// <summary>Held while a picture is decoded.</summary>
    public SemaphoreSlim Decoding { get; } = new(options.Limits.MaxDecodingPictures);

    /// <summary>When the model was there, in seconds since 1970: what clients call its creation.</summary>
    public long Created { get; private set; }

    /// <summary>The engine; null while the model is loading.</summary>
    public Llama4Engine? Engine => _engine;

    /// <summary>Requests that are open.</summary>
    public int Open => Volatile.Read(ref _open);

    /// <summary>Why no request can be served now; null if they can.</summary>
    public ApiError? NotReady => _isEnding ? Unavailable("shutting_down", "The server is ending.")
        : _failure is not null ? Unavailable("engine_failed", "The engine has stopped because of an error of its own.")
        : _engine is null ? Unavailable("loading", "The model is loading.")
        : null;

    /// <summary>The model is there.</summary>
    public void Begin(Llama4Engine engine)
    {
        Created = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        _engine = engine;
    }

    /// <summary>No more requests are taken.</summary>
    public void End() => _isEnding = true;

    /// <summary>The engine serves nobody any more: whoever watches over the process may start another one.</summary>
    public void Fail(Exception error) => _failure = error;

    /// <summary>Takes one more request in; false if there are as many as may be.</summary>
    public bool TryEnter()
    {
        if (Interlocked.Increment(ref _open) <= Limits.MaxOpenRequests)
        {
            return true;
        }
        Leave();
        return false;
    }

    public void Leave() => Interlocked.Decrement(ref _open);

    public void Dispose() => Decoding.Dispose();

    private static ApiError Unavailable(string code, string message) => new(503, "service_unavailable_error", code, null, message);
}
