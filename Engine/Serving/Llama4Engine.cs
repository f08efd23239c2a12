using System.Runtime.CompilerServices;
using Llama4Kernels.Engine.Checkpoints;
using Llama4Kernels.Engine.Constraints;
using Llama4Kernels.Engine.Generation;
using Llama4Kernels.Engine.KvCache;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Sampling;
using Llama4Kernels.Engine.Scheduling;
using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Engine.Serving;

/// <summary>
/// A model that answers many requests at once. A host makes one and calls it from anywhere: requests join the running ones
/// between steps, share what is cached of their prompts, and keep to one memory budget together. What a request gets does not
/// depend on what else runs.
/// </summary>
public sealed class Llama4Engine : IAsyncDisposable
{
    private readonly Scheduler _scheduler;
    private readonly bool _ownsModel;

    /// <summary>An engine over a model.</summary>
    /// <param name="model">The model. Others may use it too; steps take turns.</param>
    /// <param name="options">Sizes and limits; null for the defaults.</param>
    /// <param name="ownsModel">Whether the model goes with the engine.</param>
    /// <exception cref="ArgumentException">The cache holds no block.</exception>
    /// <exception cref="ObjectDisposedException">The model is disposed.</exception>
    public Llama4Engine(Llama4Model model, EngineOptions? options = null, bool ownsModel = false)
        : this(model, options ?? new EngineOptions(), ownsModel, TimeProvider.System)
    {
    }

    internal Llama4Engine(Llama4Model model, EngineOptions options, bool ownsModel, TimeProvider clock)
    {
        ArgumentNullException.ThrowIfNull(model);
        Model = model;
        _ownsModel = ownsModel;
        Runner = new StepRunner(model, options, options.KeepPrefixes);
        try
        {
            _scheduler = new Scheduler(model, Runner, options, clock);
        }
        catch
        {
            // There are no more threads.
            Runner.Dispose();
            throw;
        }
    }

    /// <summary>The model: its tokenizer, chat format and sizes.</summary>
    public Llama4Model Model { get; }

    /// <summary>Tokens that a prompt and its answer may have together.</summary>
    public int MaxContext => Runner.MaxContext;

    /// <summary>Requests whose sequences take part in steps.</summary>
    public int Running => _scheduler.Running;

    /// <summary>Requests that wait for their turn, or to go on after they gave way.</summary>
    public int Waiting => _scheduler.Waiting;

    /// <summary>The budget of cached keys and values in bytes; never more is used.</summary>
    public long CacheBytes => Runner.Pool.Bytes;

    /// <summary>Bytes of <see cref="CacheBytes"/> in use, kept prefixes included.</summary>
    public long UsedBytes => Runner.Pool.UsedBytes;

    /// <summary>Steps that were run so far.</summary>
    public long Steps => _scheduler.Steps;

    /// <summary>How often a request gave its blocks up for another and was computed again.</summary>
    public long Preemptions => _scheduler.Preemptions;

    /// <summary>The error of its own because of which it takes no more requests, for whoever watches over it; null while it goes on.</summary>
    public Exception? Failure => _scheduler.Failure;

    /// <summary>What it runs on, for observers.</summary>
    internal StepRunner Runner { get; }

    /// <summary>Loads a checkpoint and makes an engine that owns the model.</summary>
    /// <param name="path">As for <see cref="Llama4Model.Load"/>.</param>
    /// <param name="model">Precision, threads, vision; null for the defaults, which round activations as far as the weights do, see <see cref="ModelOptions.Activations"/>.</param>
    /// <param name="options">Sizes and limits; null for the defaults.</param>
    /// <param name="progress">Told after each packed matrix; last with all bytes done.</param>
    /// <param name="cancellation">Stops the loading; everything taken is given back.</param>
    /// <exception cref="Llama4Exception"><see cref="Llama4Error.ModelFormat"/>: A file is malformed or does not fit the configuration; no weight was packed.</exception>
    /// <exception cref="ArgumentException">The backend is not what the options ask for, or the cache holds no block; no weight was packed.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static Task<Llama4Engine> LoadAsync(
        string path, ModelOptions? model = null, EngineOptions? options = null, IProgress<LoadProgress>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(path);
        model ??= new ModelOptions();
        if (model is { Activations: null, CreateBackend: null })
        {
            // As far as the weights round already: int8 operands where they are integers, bfloat16 elsewhere.
            model = model with { Activations = ActivationPrecision.Int8 };
        }
        options ??= new EngineOptions();
        return Task.Run(
            () =>
            {
                Llama4Model loaded = Llama4Model.LoadChecked(path, model, (config, backend) => StepRunner.Check(config.Text, backend, model with { Activations = backend.Activations }, options), progress, cancellation);
                try
                {
                    return new Llama4Engine(loaded, options, ownsModel: true);
                }
                catch
                {
                    loaded.Dispose();
                    throw;
                }
            },
            cancellation);
    }

    /// <summary>What a checkpoint would take of a backend's memory, known from its headers before its weights are read.</summary>
    /// <param name="path">As for <see cref="Llama4Model.Load"/>.</param>
    /// <param name="options">How it would be loaded.</param>
    /// <param name="sizes">The backend's sizes.</param>
    /// <param name="context">Tokens of the one sequence that there shall be room for.</param>
    /// <exception cref="Llama4Exception"><see cref="Llama4Error.ModelFormat"/>: A file is malformed or does not fit the configuration.</exception>
    public static MemoryNeed MeasureMemory(string path, ModelOptions options, IBackendSizes sizes, int context = ModelMemory.UsualContext) =>
        ModelMemory.Measure(path, options, sizes, context);

    /// <summary>
    /// Streams the answer to a request, which is taken in when the enumeration begins. The last update carries the finish reason
    /// and the usage. Who stops enumerating gives the request up.
    /// </summary>
    /// <param name="request">What is asked.</param>
    /// <param name="cancellation">Gives the request up.</param>
    /// <exception cref="ArgumentException">An id is outside the vocabulary, or a picture is none that the model can see.</exception>
    /// <exception cref="Llama4Exception"><see cref="Llama4Error.ContextOverflow"/>: The prompt does not fit the context.</exception>
    /// <exception cref="Llama4Exception"><see cref="Llama4Error.QueueFull"/>: As many requests wait as may.</exception>
    /// <exception cref="Llama4Exception"><see cref="Llama4Error.DeadlinePassed"/>: The request's deadline has passed.</exception>
    /// <exception cref="Llama4Exception"><see cref="Llama4Error.CacheFull"/>: The request does not fit the cache, even alone.</exception>
    /// <exception cref="Llama4Exception"><see cref="Llama4Error.ConstraintDeadEnd"/>: The constraint allows neither a token nor the end.</exception>
    /// <exception cref="Llama4Exception"><see cref="Llama4Error.InvalidLogits"/>: The model's logits are not numbers.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    /// <exception cref="Llama4Exception"><see cref="Llama4Error.EngineFailed"/>: The engine has stopped because of an error of its own, before or meanwhile.</exception>
    /// <exception cref="ObjectDisposedException">The engine or the model is disposed or being so, before or meanwhile.</exception>
    public async IAsyncEnumerable<GenerationUpdate> GenerateAsync(GenerationRequest request, [EnumeratorCancellation] CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        cancellation.ThrowIfCancellationRequested();
        Job job = _scheduler.Submit(request);
        try
        {
            while (await job.Messages.WaitToReadAsync(cancellation).ConfigureAwait(false))
            {
                while (job.Messages.TryRead(out Message message))
                {
                    if (message.Update is null)
                    {
                        request.Progress!.Report(message.Progress);
                        continue;
                    }
                    cancellation.ThrowIfCancellationRequested();
                    yield return message.Update;
                }
            }
        }
        finally
        {
            _scheduler.Abandon(job);
        }
    }

    /// <summary>A conversation whose answers this engine gives. It owns nothing: any number may be begun and forgotten.</summary>
    /// <param name="options">Instructions, tools, how to generate; null for none and the defaults.</param>
    /// <exception cref="InvalidOperationException">The checkpoint has no tokenizer.</exception>
    /// <exception cref="ArgumentException">The choice of tools names none of them.</exception>
    /// <exception cref="Llama4Exception"><see cref="Llama4Error.Constraint"/>: Answers are to keep to schemas that cannot be kept to.</exception>
    public Conversation CreateConversation(ConversationOptions? options = null) => new(this, options);

    /// <summary>Takes no more requests and waits until those that it has are done; then the engine is disposed.</summary>
    /// <param name="cancellation">Waits no longer; the engine takes no requests nevertheless.</param>
    /// <exception cref="OperationCanceledException">It was cancelled; dispose the engine to end what still runs.</exception>
    public async Task DrainAsync(CancellationToken cancellation = default)
    {
        await _scheduler.StopAsync(drain: true).WaitAsync(cancellation).ConfigureAwait(false);
        await DisposeAsync().ConfigureAwait(false);
    }

    /// <summary>
    /// Ends all requests at the next step, with an <see cref="ObjectDisposedException"/> for whoever enumerates them, and gives
    /// everything back. May be called at any moment, more than once, and from any thread.
    /// </summary>
    /// <exception cref="InvalidOperationException">It was called from within a step, as by an observer.</exception>
    public async ValueTask DisposeAsync()
    {
        await _scheduler.StopAsync(drain: false).ConfigureAwait(false);
        if (_ownsModel)
        {
            Model.Dispose();
        }
    }
}
