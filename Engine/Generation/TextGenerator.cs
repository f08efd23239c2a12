using System.Runtime.CompilerServices;
using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Constraints;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Scheduling;

namespace Llama4Kernels.Engine.Generation;

/// <summary>
/// Generates text token by token. A generator keeps its last sequence, so that the next prompt of the same conversation
/// computes only what is new. One generation at a time.
/// </summary>
public sealed class TextGenerator : IDisposable
{
    private readonly Llama4Model _model;
    private readonly StepRunner _runner;
    private readonly Sequence _sequence;
    private int _running;

    /// <summary>A generator with its own cache: that of one sequence, unless the options say otherwise.</summary>
    public TextGenerator(Llama4Model model, EngineOptions? options = null)
    {
        _model = model;
        options ??= new EngineOptions();
        _runner = new StepRunner(model, options with { MaxLogitRows = options.MaxLogitRows ?? 1 });
        _sequence = _runner.CreateSequence();
    }

    /// <summary>Tokens that a prompt and its answer may have together.</summary>
    public int MaxContext => _runner.MaxContext;

    /// <summary>Bytes that cached keys and values may take.</summary>
    public long CacheBytes => _runner.Pool.Bytes;

    /// <summary>What it runs on, for observers.</summary>
    internal StepRunner Runner => _runner;

    /// <summary>
    /// Streams a generation. The last update carries the finish reason and the usage. Cancelling stops before the next
    /// prefill step or token and throws; what was cached stays valid for the next prompt.
    /// </summary>
    /// <param name="prompt">Ids and pictures.</param>
    /// <param name="options">Sampling, limits and stop strings.</param>
    /// <param name="progress">Told how many tokens of the prompt, and of what a constraint forces after it, are prefilled.</param>
    /// <param name="cancellation">Stops the generation.</param>
    /// <exception cref="ContextOverflowException">The prompt does not fit the context.</exception>
    /// <exception cref="InvalidOperationException">Another generation of this generator is running.</exception>
    /// <exception cref="ConstraintDeadEndException">The constraint allows neither a token nor the end.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The generator or the model is disposed, before or meanwhile.</exception>
    public async IAsyncEnumerable<GenerationUpdate> GenerateAsync(
        Prompt prompt, GenerationOptions options, IProgress<int>? progress = null, [EnumeratorCancellation] CancellationToken cancellation = default)
    {
        if (Interlocked.Exchange(ref _running, 1) != 0)
        {
            throw new InvalidOperationException("This generator is already generating; use one generator per concurrent request.");
        }
        try
        {
            var prepared = new PreparedPrompt(_runner, _model, prompt);
            var answer = new Answer(_model, prompt, options, _runner.MaxContext);
            bool isAssigned = false;
            while (true)
            {
                while (answer.TakeForced() is GenerationUpdate forced)
                {
                    cancellation.ThrowIfCancellationRequested();
                    yield return forced;
                    if (forced.FinishReason is not null)
                    {
                        yield break;
                    }
                }
                StepResult result = await Task.Run(
                    () =>
                    {
                        if (!isAssigned)
                        {
                            answer.CachedTokens = prepared.AssignTo(_sequence, _runner.Observer, cancellation);
                            isAssigned = true;
                        }
                        // In one piece, however many a constraint forced.
                        _sequence.Append(answer.TakeNew());
                        return Compute(answer.NeedsOnlyBest, progress, cancellation);
                    },
                    cancellation).ConfigureAwait(false);
                cancellation.ThrowIfCancellationRequested();
                GenerationUpdate update = answer.Choose(result, 0);
                yield return update;
                if (update.FinishReason is not null)
                {
                    yield break;
                }
            }
        }
        finally
        {
            Volatile.Write(ref _running, 0);
        }
    }

    /// <summary>A conversation whose answers this generator gives.</summary>
    public Conversation CreateConversation(ConversationOptions? options = null) => new(_model, GenerateAsync, options);

    /// <inheritdoc/>
    public void Dispose()
    {
        _sequence.Dispose();
        _runner.Dispose();
    }

    /// <summary>Brings the cache up to the last token and computes the logits after it.</summary>
    private StepResult Compute(bool bestOnly, IProgress<int>? progress, CancellationToken cancellation)
    {
        while (true)
        {
            cancellation.ThrowIfCancellationRequested();
            int pending = _sequence.Pending;
            int rows = _sequence.Blocks.RowsBeforeChunkEdge(Math.Min(pending, _runner.StepRows));
            StepResult result = _runner.Run([new StepPart(_sequence, rows, rows == pending ? 1 : 0)], bestOnly);
            if (pending > 1)
            {
                progress?.Report(_sequence.Length);
            }
            if (rows == pending)
            {
                return result;
            }
        }
    }
}
