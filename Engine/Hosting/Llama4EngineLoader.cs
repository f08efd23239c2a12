using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Checkpoints;
using Llama4Kernels.Engine.Generation;
using Llama4Kernels.Engine.Serving;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace Llama4Kernels.Hosting;

/// <summary>
/// Loads a host's engine, in the background once the host starts or somebody asks for it, and ends it with the host: no new
/// requests, those that run have <see cref="Llama4EngineOptions.DrainTimeout"/>. It owns the engine.
/// </summary>
public sealed class Llama4EngineLoader : IHostedService, IAsyncDisposable, IDisposable
{
    private readonly Llama4EngineOptions _options;
    private readonly ILogger<Llama4EngineLoader> _log;
    private readonly CancellationTokenSource _stop = new();
    private readonly Lazy<Task<Llama4Engine>> _loading;
    private readonly Lock _gate = new();
    private Task? _stopping;
    private LoadProgress _progress;

    /// <summary>Loads nothing yet.</summary>
    /// <param name="options">What to load.</param>
    /// <param name="log">Told of progress and failures; null for nobody.</param>
    /// <exception cref="OptionsValidationException">The options are not valid.</exception>
    public Llama4EngineLoader(IOptions<Llama4EngineOptions> options, ILogger<Llama4EngineLoader>? log = null)
        : this(options, log, null)
    {
    }

    /// <summary>With another way to get an engine.</summary>
    internal Llama4EngineLoader(IOptions<Llama4EngineOptions> options, ILogger<Llama4EngineLoader>? log, Func<Task<Llama4Engine>>? load)
    {
        ArgumentNullException.ThrowIfNull(options);
        _options = options.Value;
        _log = log ?? NullLogger<Llama4EngineLoader>.Instance;
        _loading = new Lazy<Task<Llama4Engine>>(load ?? LoadAsync);
        ModelId = _options.ModelId ?? Llama4EngineOptions.NameOf(_options.Model!);
    }

    /// <summary>What clients call the model.</summary>
    public string ModelId { get; }

    /// <summary>The engine when it is ready; null while it is loading, after a failure, and when the host stops.</summary>
    public Llama4Engine? Engine => _loading is { IsValueCreated: true, Value: { IsCompletedSuccessfully: true } loaded } && !_stop.IsCancellationRequested ? loaded.Result : null;

    /// <summary>Why the engine could not be loaded; null if it is, or may be.</summary>
    public Exception? Failure => _loading is { IsValueCreated: true, Value.IsFaulted: true } ? _loading.Value.Exception.InnerException : null;

    /// <summary>How far loading is.</summary>
    internal LoadProgress Progress
    {
        get
        {
            lock (_gate)
            {
                return _progress;
            }
        }
    }

    /// <summary>Whether the host stops.</summary>
    internal bool IsStopping => _stop.IsCancellationRequested;

    /// <summary>The engine, once it is ready.</summary>
    /// <param name="cancellation">Waits no longer; loading goes on.</param>
    /// <exception cref="Engine.Llama4Exception">It could not be loaded: the error of the loading, for everybody who asks. So are its other errors.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The host stops.</exception>
    public async Task<Llama4Engine> GetEngineAsync(CancellationToken cancellation = default)
    {
        ObjectDisposedException.ThrowIf(IsStopping, this);
        try
        {
            return await _loading.Value.WaitAsync(cancellation).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (IsStopping && !cancellation.IsCancellationRequested)
        {
            throw new ObjectDisposedException(GetType().FullName);
        }
    }

    /// <summary>Begins to load and returns: the host starts meanwhile.</summary>
    public Task StartAsync(CancellationToken cancellationToken)
    {
        if (!IsStopping)
        {
            _ = _loading.Value;
        }
        return Task.CompletedTask;
    }

    /// <summary>Stops loading, or waits for the requests that run and ends the engine; may be called more than once.</summary>
    /// <param name="cancellationToken">Ends the waiting: requests that still run end with an error.</param>
    public Task StopAsync(CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            return _stopping ??= EndAsync(cancellationToken);
        }
    }

    /// <inheritdoc cref="StopAsync"/>
    public async ValueTask DisposeAsync()
    {
        await StopAsync(CancellationToken.None).ConfigureAwait(false);
    }

    /// <inheritdoc cref="StopAsync"/>
    public void Dispose() => StopAsync(CancellationToken.None).GetAwaiter().GetResult();

    private async Task EndAsync(CancellationToken cancellation)
    {
        // Away from the caller, who holds the gate.
        await Task.Yield();
        await _stop.CancelAsync().ConfigureAwait(false);
        if (!_loading.IsValueCreated)
        {
            return;
        }
        Task<Llama4Engine> loading = _loading.Value;
        await ((Task)loading).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (!loading.IsCompletedSuccessfully)
        {
            return;
        }
        Llama4Engine engine = await loading.ConfigureAwait(false);
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        patience.CancelAfter(_options.DrainTimeout);
        try
        {
            await engine.DrainAsync(patience.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (patience.IsCancellationRequested)
        {
            Log.CutOff(_log, ModelId, engine.Running + engine.Waiting);
            await engine.DisposeAsync().ConfigureAwait(false);
        }
    }

    private async Task<Llama4Engine> LoadAsync()
    {
        long begun = TimeProvider.System.GetTimestamp();
        Log.Loading(_log, ModelId, _options.Model!);
        try
        {
            Llama4Engine engine = await Llama4Engine.LoadAsync(_options.Model!, _options.ToModelOptions(), _options.ToEngineOptions(), new Watcher(this), _stop.Token).ConfigureAwait(false);
            try
            {
                await WarmUpAsync(engine).ConfigureAwait(false);
            }
            catch
            {
                await engine.DisposeAsync().ConfigureAwait(false);
                throw;
            }
            foreach (string warning in engine.Model.Warnings)
            {
                Log.Odd(_log, ModelId, warning);
            }
            Log.Ready(_log, ModelId, TimeProvider.System.GetElapsedTime(begun).TotalSeconds, engine.Model.WeightBytes, engine.CacheBytes, engine.MaxContext);
            return engine;
        }
        catch (OperationCanceledException) when (IsStopping)
        {
            Log.Stopped(_log, ModelId);
            throw;
        }
        catch (Exception error)
        {
            Log.Failed(_log, ModelId, error);
            throw;
        }
    }

    private async Task WarmUpAsync(Llama4Engine engine)
    {
        if (_options.WarmUp)
        {
            var request = new GenerationRequest(Prompt.FromIds(engine.Model.Tokenizer.BosId), new GenerationOptions { Temperature = 0, MaxTokens = 1 }) { Salt = nameof(_options.WarmUp) };
            await foreach (GenerationUpdate _ in engine.GenerateAsync(request, _stop.Token).ConfigureAwait(false))
            {
            }
        }
    }

    /// <summary>Keeps the progress and logs each tenth.</summary>
    private sealed class Watcher(Llama4EngineLoader loader) : IProgress<LoadProgress>
    {
        private long _logged;

        public void Report(LoadProgress value)
        {
            lock (loader._gate)
            {
                loader._progress = value;
                long tenth = value.BytesTotal > 0 ? value.BytesDone * 10 / value.BytesTotal : 0;
                if (tenth > _logged)
                {
                    _logged = tenth;
                    Log.Progress(loader._log, loader.ModelId, tenth * 10, value.BytesDone, value.BytesTotal);
                }
            }
        }
    }
}
