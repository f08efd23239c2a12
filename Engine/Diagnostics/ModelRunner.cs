using System.Numerics.Tensors;
using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Generation;
using Llama4Kernels.Engine.KvCache;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Scheduling;
using Llama4Kernels.Kernels.Sampling;
using Llama4Kernels.Kernels.Contracts;
using Tensor = Llama4Kernels.Kernels.Contracts.Tensor;

namespace Llama4Kernels.Engine.Diagnostics;

/// <summary>
/// Runs given tokens through a model, step by step, and gives logits and activations: for verification, analysis and
/// measurements. Whoever wants text takes an engine. One thread at a time; disposing is safe from any.
/// </summary>
public sealed class ModelRunner : IDisposable
{
    private readonly Llama4Model _model;
    private readonly StepRunner _runner;
    private StepPart[] _parts = new StepPart[8];
    private StepResult _result;
    private int _rows;

    /// <summary>Takes a cache and activations for the largest step.</summary>
    internal ModelRunner(Llama4Model model, EngineOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        _model = model;
        _runner = new StepRunner(model, options ?? new EngineOptions());
    }

    /// <summary>Tokens a sequence may hold.</summary>
    internal int MaxContext => _runner.MaxContext;

    /// <summary>Bytes that cached keys and values may take.</summary>
    internal long CacheBytes => _runner.Pool.Bytes;

    /// <summary>The blocks behind all sequences.</summary>
    internal BlockPool Cache => _runner.Pool;

    /// <summary>Sees intermediate results, if set.</summary>
    internal IForwardObserver? Observer
    {
        get => _runner.Observer;
        set => _runner.Observer = value;
    }

    /// <summary>How tokens may be chosen where the logits are, see <see cref="StepPart.Rule"/>.</summary>
    internal DrawRule? Rule { get; set; }

    /// <summary>Most blocks of chunked layers that a sequence held after a step of <see cref="Append"/>.</summary>
    internal int MostChunkedBlocks { get; private set; }

    /// <summary>A new, empty sequence; dispose it to give its blocks back.</summary>
    internal Sequence CreateSequence() => _runner.CreateSequence();

    /// <summary>Logits [V] of the i-th wanted row of the last step; valid until the next step. May be changed in place.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The last step wanted fewer.</exception>
    /// <exception cref="InvalidOperationException">There was no step, or it failed.</exception>
    internal Span<float> Logits(int row = 0) => _rows == 1 ? _result.Logits(0, row) : _result.Logits(row);

    /// <summary>The token of a wanted row, if it was chosen where the logits are.</summary>
    internal int? Chosen(int row = 0) => _rows == 1 ? _result.Chosen(0, row) : _result.Chosen(row);

    /// <summary>
    /// Computes a prompt as the beginning of an empty sequence and leaves the last token's logits in <see cref="Logits"/>.
    /// </summary>
    /// <param name="sequence">The sequence; still empty if the prompt is refused or a picture cannot be encoded.</param>
    /// <param name="prompt">Ids and pictures.</param>
    /// <param name="progress">Told the number of tokens done after each step.</param>
    /// <param name="cancellation">Checked before each step; afterwards the sequence holds the finished steps.</param>
    /// <exception cref="Llama4Exception"><see cref="Llama4Error.ContextOverflow"/>: The prompt leaves no room for a token.</exception>
    /// <exception cref="ArgumentException">An id is outside the vocabulary, a picture is none that the model can see, or the sequence has begun.</exception>
    internal void Prefill(Sequence sequence, Prompt prompt, IProgress<int>? progress = null, CancellationToken cancellation = default)
    {
        CheckOwn(sequence);
        var prepared = new PreparedPrompt(_runner, _model, prompt);
        if (sequence.Length > 0)
        {
            throw new ArgumentException($"A prompt begins a sequence, and this one holds {sequence.Length} tokens: take a new one, or append to it.", nameof(sequence));
        }
        prepared.AppendTo(sequence);
        try
        {
            while (prepared.EncodeNext(sequence, Observer, cancellation))
            {
            }
        }
        catch
        {
            sequence.DropPending();
            sequence.Embed(new EmbeddedPictures());
            throw;
        }
        ComputePending(sequence, 1, null, progress, cancellation);
    }

    /// <summary>
    /// Appends tokens to a sequence and hands the logits of every token from <paramref name="logitsFrom"/> on to
    /// <paramref name="onLogits"/> (index in ids, logits [V]), step by step. If a step fails, the sequence holds those before it.
    /// </summary>
    /// <exception cref="Llama4Exception"><see cref="Llama4Error.ContextOverflow"/>: The tokens do not fit the context; nothing was computed.</exception>
    /// <exception cref="ArgumentException">An id is outside the vocabulary.</exception>
    internal void Append(Sequence sequence, ReadOnlySpan<int> ids, int logitsFrom, Action<int, ReadOnlySpan<float>>? onLogits, CancellationToken cancellation = default)
    {
        CheckOwn(sequence);
        ArgumentOutOfRangeException.ThrowIfNegative(logitsFrom);
        int start = sequence.Length;
        sequence.Append(ids);
        ComputePending(sequence, Math.Max(0, ids.Length - logitsFrom), onLogits is null ? null : (position, logits) => onLogits(position - start, logits), null, cancellation);
    }

    /// <summary>One decode step: appends ids[i] to sequences[i], which must differ, and computes each one's logits.</summary>
    /// <exception cref="Llama4Exception"><see cref="Llama4Error.ContextOverflow"/>: A sequence is full; none has changed.</exception>
    /// <exception cref="ArgumentException">The sequences or ids do not make a step; no sequence has changed.</exception>
    internal void Decode(ReadOnlySpan<Sequence> sequences, ReadOnlySpan<int> ids)
    {
        if (sequences.Length != ids.Length || ids.Length == 0 || ids.Length > _runner.LogitRows)
        {
            throw new ArgumentException($"{sequences.Length} sequences and {ids.Length} ids; needed are equal numbers of 1 to {_runner.LogitRows}.");
        }
        if (_parts.Length < ids.Length)
        {
            _parts = new StepPart[2 * ids.Length];
        }
        int added = 0;
        try
        {
            for (; added < ids.Length; added++)
            {
                CheckOwn(sequences[added]);
                sequences[added].Append(ids.Slice(added, 1));
                _parts[added] = new StepPart(sequences[added], 1, 1, Rule);
            }
            _rows = ids.Length;
            _result = _runner.Run(_parts.AsSpan(0, ids.Length));
        }
        finally
        {
            // Nothing is pending any more if the step was computed.
            foreach (Sequence sequence in sequences[..added])
            {
                sequence.DropPending();
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _runner.Dispose();

    /// <summary>Runs <paramref name="ids"/> as one sequence.</summary>
    /// <exception cref="ArgumentException">Ids, positions or pixels do not fit the model.</exception>
    /// <exception cref="Llama4Exception"><see cref="Llama4Error.ContextOverflow"/>: More tokens than the checkpoint allows.</exception>
    public static LogitsResult Run(Llama4Model model, ReadOnlySpan<int> ids, RunOptions options, CancellationToken cancellation = default)
    {
        int vocabulary = model.Config.Text.VocabSize;
        int[] input = ids.ToArray();
        int[] positions = options.Positions ?? [.. Enumerable.Range(0, input.Length)];
        Check(input, positions, options, model);
        int rows = Math.Max(1, Math.Min(options.PrefillChunk > 0 ? options.PrefillChunk : model.Backend.Steps.Rows, input.Length));
        var sizes = new EngineOptions { StepRows = rows, MaxLogitRows = Math.Min(64, rows), CacheFormat = options.CacheFormat };
        // The cache of this one sequence.
        using var runner = new ModelRunner(model, sizes with { CacheBytes = StepRunner.CacheBytes(model, sizes, input.Length + options.Greedy, 1) });
        using Sequence sequence = runner.CreateSequence();
        var result = new LogitsResult { Logits = new float[(long)positions.Length * vocabulary], Positions = positions };
        var capture = new ActivationCapture(model.Backend, result);
        runner.Observer = options.CaptureHidden ? capture : null;

        if (options.PixelValues is not null)
        {
            sequence.Embed(Encode(model, input, options.PixelValues, options.Tiles, runner.Observer, cancellation));
        }
        float[] last = new float[vocabulary];
        int next = 0;
        int from = Math.Min(positions.Length > 0 ? positions[0] : int.MaxValue, input.Length - 1);
        runner.Append(sequence, input, from, (index, logits) =>
        {
            if (next < positions.Length && positions[next] == index)
            {
                logits.CopyTo(result.Logits.AsSpan(next++ * vocabulary));
            }
            if (index == input.Length - 1)
            {
                logits.CopyTo(last);
            }
        }, cancellation);
        result.MaxChunkedBlocks = runner.MostChunkedBlocks;
        capture.Finish();
        runner.Observer = null;
        result.Greedy = runner.Continue(sequence, last, options.Greedy, cancellation);
        return result;
    }

    private int[] Continue(Sequence sequence, float[] last, int count, CancellationToken cancellation)
    {
        int[] greedy = new int[count];
        ReadOnlySpan<float> logits = last;
        for (int i = 0; i < count; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            greedy[i] = TensorPrimitives.IndexOfMax(logits);
            if (i + 1 < count)
            {
                Decode([sequence], [greedy[i]]);
                logits = Logits();
            }
        }
        return greedy;
    }

    /// <summary>Computes what is pending, the last <paramref name="wanted"/> tokens with their logits.</summary>
    private void ComputePending(Sequence sequence, int wanted, Action<int, ReadOnlySpan<float>>? onLogits, IProgress<int>? progress, CancellationToken cancellation)
    {
        try
        {
            while (sequence.Pending > 0)
            {
                cancellation.ThrowIfCancellationRequested();
                int rows = sequence.Blocks.RowsBeforeChunkEdge(Math.Min(sequence.Pending, _runner.StepRows));
                int logits = Math.Max(0, rows - Math.Max(0, sequence.Pending - wanted));
                if (logits > _runner.LogitRows)
                {
                    // More logits than a step gives: first the rows without, then as many as it gives.
                    rows = logits < rows ? rows - logits : _runner.LogitRows;
                    logits = Math.Min(logits, Math.Max(0, rows - Math.Max(0, sequence.Pending - wanted)));
                }
                _rows = 1;
                _result = _runner.Run([new StepPart(sequence, rows, logits, Rule)]);
                MostChunkedBlocks = Math.Max(MostChunkedBlocks, sequence.Blocks.Table(BlockKind.Chunked).Length);
                for (int i = 0; onLogits is not null && i < logits; i++)
                {
                    onLogits(sequence.Length - logits + i, Logits(i));
                }
                progress?.Report(sequence.Length);
            }
        }
        finally
        {
            sequence.DropPending();
        }
    }

    private void CheckOwn(Sequence sequence)
    {
        ArgumentNullException.ThrowIfNull(sequence);
        if (sequence.Runner != _runner)
        {
            throw new ArgumentException("The sequence is another runner's: its blocks lie in another cache.", nameof(sequence));
        }
        ObjectDisposedException.ThrowIf(sequence.IsDisposed, sequence);
    }

    /// <summary>Encodes pixels, whose embeddings stand in the order of the patch tokens.</summary>
    /// <exception cref="ArgumentException">There are more or fewer such tokens, or the model sees nothing.</exception>
    private static EmbeddedPictures Encode(Llama4Model model, int[] ids, ushort[] pixels, int tiles, IForwardObserver? observer, CancellationToken cancellation)
    {
        if (model.Vision is null)
        {
            throw new ArgumentException("Pixel values were given, but the model was loaded without its vision tower (or has none).");
        }
        int[] patches = [.. Enumerable.Range(0, ids.Length).Where(i => ids[i] == model.Config.ImageToken)];
        if (patches.Length != (long)tiles * model.TokensPerTile)
        {
            throw new ArgumentException($"There are {patches.Length} patch tokens, but {tiles} tiles give {(long)tiles * model.TokensPerTile} embeddings.");
        }
        using (model.Use())
        {
            var pictures = new EmbeddedPictures();
            DeviceMemory memory = pictures.GetOrAdd(string.Empty, () => model.Vision.Encode(pixels, tiles, observer, cancellation));
            Tensor values = memory.View(patches.Length, model.Config.Text.HiddenSize);
            for (int first = 0, next; first < patches.Length; first = next)
            {
                for (next = first + 1; next < patches.Length && patches[next] == patches[next - 1] + 1; next++)
                {
                }
                pictures.Add(new PictureRows(patches[first], values.Slice(first, next - first)));
            }
            return pictures;
        }
    }

    private static void Check(int[] ids, int[] positions, RunOptions options, Llama4Model model)
    {
        if (ids.Length == 0)
        {
            throw new ArgumentException("There are no input ids.");
        }
        if (ids.Length + options.Greedy > model.Config.Text.MaxPositions)
        {
            throw ContextOverflowException.OfSequence(ids.Length + options.Greedy, model.Config.Text.MaxPositions);
        }
        for (int i = 0; i < positions.Length; i++)
        {
            if ((uint)positions[i] >= (uint)ids.Length || (i > 0 && positions[i] <= positions[i - 1]))
            {
                throw new ArgumentException($"Positions must ascend inside 0 … {ids.Length - 1}; entry {i} is {positions[i]}.");
            }
        }
    }
}
