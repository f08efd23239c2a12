using Llama4Kernels.Engine.Config;
using Llama4Kernels.Engine.KvCache;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Sampling;

namespace Llama4Kernels.Engine.Scheduling;

/// <summary>
/// Runs steps of a model over sequences that share one cache and one arena: pieces of the prompts of some beside next tokens of
/// others. A step is computed for all its sequences or for none: whatever fails, each stays at the length that it had. After
/// warm-up a step that decodes allocates nothing. Steps of all runners of a model take turns.
/// </summary>
internal sealed class StepRunner : IDisposable
{
    // What backends give for a row from which none can be chosen.
    private const int NotChosen = -1;

    private static readonly DrawRule s_cheapest = new(1, 0, 1, 0, 0);

    private readonly Llama4Model _model;
    private readonly IBackend _backend;
    private readonly TextActivations _activations;
    private readonly StepTables _tables;
    private readonly Batch _batch;
    private readonly float[] _logits;
    private readonly int[] _chosen;
    private readonly bool[] _isOnHost;
    private readonly DrawRule[] _rules;
    private (int First, int Count)[] _results = new (int, int)[8];
    private int _parts;
    private long _step;
    private bool _disposed;

    /// <summary>Takes the cache's budget and activations for the largest step.</summary>
    /// <param name="model">The model.</param>
    /// <param name="options">Sizes.</param>
    /// <param name="keepsPrefixes">Blocks of sequences stay for others that begin like them.</param>
    public StepRunner(Llama4Model model, EngineOptions options, bool keepsPrefixes = false)
    {
        _model = model;
        _backend = model.Backend;
        TextConfig c = model.Config.Text;
        MaxContext = Math.Min(options.MaxContext ?? c.MaxPositions, c.MaxPositions);
        (StepRows, LogitRows) = RowsOf(options, _backend.Steps, MaxContext);
        _batch = new Batch(StepRows);
        _logits = new float[(long)LogitRows * c.VocabSize];
        _chosen = new int[LogitRows];
        _isOnHost = new bool[LogitRows];
        _rules = new DrawRule[LogitRows];
        using (model.Use())
        {
            // First, so that the cache's share is one of what they leave.
            _activations = new TextActivations(c, _backend, StepRows, LogitRows);
            try
            {
                Pool = new BlockPool(_backend, c, FormatOf(model.Options, options), options.BlockTokens, BudgetOf(model, options, MaxContext, keepsPrefixes ? 2 * LogitRows : LogitRows));
                _tables = new StepTables(Pool, _backend);
                Work = new StepWork(model.Text.Weights, c, Pool.Layers);
                Prefixes = keepsPrefixes ? new PrefixCache(Pool) : null;
            }
            catch
            {
                Pool?.Dispose();
                _activations.Dispose();
                throw;
            }
        }
    }

    /// <summary>Tokens a sequence may hold.</summary>
    public int MaxContext { get; }

    /// <summary>Most rows of a step.</summary>
    public int StepRows { get; }

    /// <summary>Most rows of a step whose logits are wanted.</summary>
    public int LogitRows { get; }

    /// <summary>The blocks behind all sequences.</summary>
    public BlockPool Pool { get; }

    /// <summary>How much there is to compute for rows.</summary>
    public StepWork Work { get; }

    /// <summary>What is kept of sequences; null if nothing is. It belongs to the thread that runs the steps.</summary>
    public PrefixCache? Prefixes { get; }

    /// <summary>Sees intermediate results, if set.</summary>
    public IForwardObserver? Observer { get; set; }

    /// <summary>Held during each step.</summary>
    internal Lock Gate => _model.Gate;

    private int Vocabulary => _model.Config.Text.VocabSize;

    /// <summary>Bytes that sequences of so many tokens take in a cache of these options.</summary>
    public static long CacheBytes(Llama4Model model, EngineOptions options, int tokens, int sequences) =>
        sequences * BlockPool.BytesFor(model.Config.Text, model.Backend.LayoutOf, FormatOf(model.Options, options), options.BlockTokens, tokens);

    /// <summary>What the constructor demands of sizes, before there is a model.</summary>
    /// <exception cref="ArgumentException">The cache holds no block.</exception>
    public static void Check(TextConfig config, IBackend backend, ModelOptions model, EngineOptions options)
    {
        if (options.CacheBytes is long bytes)
        {
            BlockPool.Check(config, backend.LayoutOf, FormatOf(model, options), options.BlockTokens, bytes);
        }
    }

    /// <summary>Format of the cache: bfloat16 where activations are, unless the options say otherwise.</summary>
    public static KvFormat FormatOf(ModelOptions model, EngineOptions options) =>
        options.CacheFormat ?? (model.Precision == ActivationPrecision.Float32 ? KvFormat.F32 : KvFormat.BF16);

    /// <summary>Most rows of a step, and of one's logits. No step is longer than the context, and each decodes all sequences.</summary>
    public static (int Rows, int LogitRows) RowsOf(EngineOptions options, StepSizes backend, int context)
    {
        int logitRows = Math.Min(options.MaxLogitRows ?? backend.LogitRows, options.StepRows ?? int.MaxValue);
        return (options.StepRows ?? Math.Max(Math.Min(backend.Rows, context), logitRows), logitRows);
    }

    /// <summary>A new, empty sequence; dispose it to give its blocks back.</summary>
    /// <param name="salt">What it shares prefixes under.</param>
    public Sequence CreateSequence(string salt = "")
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return new Sequence(this, salt);
    }

    /// <summary>Whether so many blocks of each kind can be had for certain, if prefixes go that no sequence uses: each kind has those that it had.</summary>
    public bool HasBlocks(int chunked, int full)
    {
        (int moreChunked, int moreFull) = Prefixes?.Evictable ?? (0, 0);
        return Pool.HasRoom(chunked - moreChunked, full - moreFull);
    }

    /// <summary>Whether so many blocks of each kind might be had by their bytes, if all prefixes went that no sequence uses.</summary>
    public bool HasRoom(int chunked, int full) =>
        Pool.HasRoom(chunked, full) || MightHaveRoom(chunked, full, 0);

    /// <summary>Whether so many blocks of each kind might be had if so many bytes of sequences were given back and all prefixes went that no sequence uses.</summary>
    public bool MightHaveRoom(int chunked, int full, long givenBack) => Pool.MightHaveRoom(chunked, full, givenBack + (Prefixes?.EvictableBytes ?? 0));

    /// <summary>Bytes of the blocks that a sequence has, those included that it shares.</summary>
    public long BytesOf(Sequence sequence) =>
        sequence.Blocks.Table(BlockKind.Chunked).Length * Pool.BlockBytes(BlockKind.Chunked) + sequence.Blocks.Table(BlockKind.Full).Length * Pool.BlockBytes(BlockKind.Full);

    /// <summary>Makes room for so many blocks of each kind at the cost of prefixes that no sequence uses; false if that is not enough.</summary>
    public bool MakeRoom(int chunked, int full) => Prefixes?.MakeRoom(chunked, full) ?? Pool.HasRoom(chunked, full);

    /// <summary>Copies the blocks of cached positions into the last ones of a sequence.</summary>
    public void Copy(PrefixNode source, SequenceBlocks destination)
    {
        using (Enter())
        {
            _tables.Copy(_backend, BlockKind.Full, source.Full, destination);
            _tables.Copy(_backend, BlockKind.Chunked, source.Chunked, destination);
        }
    }

    /// <summary>Computes the next tokens of some sequences and counts them as cached.</summary>
    /// <param name="parts">The sequences, in any order. If one has a rule, logits stay where they are until someone asks for those of a row.</param>
    /// <exception cref="ArgumentException">The parts do not make a step of this runner.</exception>
    /// <exception cref="CacheFullException">The cache has no room; nothing was computed.</exception>
    /// <exception cref="ObjectDisposedException">The runner, the model or a sequence is disposed.</exception>
    public StepResult Run(ReadOnlySpan<StepPart> parts)
    {
        using (Enter())
        {
            Check(parts);
            _step++;
            _parts = 0;
            int begun = 0;
            try
            {
                for (; begun < parts.Length; begun++)
                {
                    parts[begun].Sequence.Blocks.Begin(parts[begun].Rows);
                }
                Compute(parts);
            }
            catch
            {
                _backend.AbandonStep();
                foreach (StepPart part in parts[..begun])
                {
                    part.Sequence.Blocks.Cancel();
                }
                throw;
            }
            foreach (StepPart part in parts)
            {
                part.Sequence.Commit(part.Rows);
            }
            _parts = parts.Length;
            return new StepResult(this, _step);
        }
    }

    /// <summary>Frees the cache and the arena, after a step that runs.</summary>
    public void Dispose()
    {
        lock (Gate)
        {
            if (!_disposed)
            {
                _disposed = true;
                _activations.Dispose();
                _tables.Dispose();
                Pool.Dispose();
            }
        }
    }

    internal void CheckIds(ReadOnlySpan<int> ids)
    {
        foreach (int id in ids)
        {
            if ((uint)id >= (uint)Vocabulary)
            {
                throw new ArgumentException($"Token id {id} is outside the vocabulary of {Vocabulary}.");
            }
        }
    }

    internal Span<float> Logits(long step, int part, int row)
    {
        using (Enter())
        {
            int index = Row(step, part, row);
            if (!_isOnHost[index])
            {
                Download(index, 1);
            }
            // They may be changed now.
            _chosen[index] = NotChosen;
            return _logits.AsSpan(index * Vocabulary, Vocabulary);
        }
    }

    internal int? Chosen(long step, int part, int row)
    {
        int id = _chosen[Row(step, part, row)];
        return id == NotChosen ? null : id;
    }


    private static long BudgetOf(Llama4Model model, EngineOptions options, int context, int sequences) =>
        options.CacheBytes ?? Math.Min(CacheBytes(model, options, context, sequences), model.Backend.CacheBytes);

    private Lock.Scope Enter()
    {
        Lock.Scope scope = _model.Use();
        if (_disposed)
        {
            scope.Dispose();
            throw new ObjectDisposedException(nameof(StepRunner));
        }
        return scope;
    }

    private void Check(ReadOnlySpan<StepPart> parts)
    {
        long rows = 0, logits = 0;
        for (int i = 0; i < parts.Length; i++)
        {
            StepPart part = parts[i];
            ArgumentNullException.ThrowIfNull(part.Sequence);
            ObjectDisposedException.ThrowIf(part.Sequence.IsDisposed, part.Sequence);
            if (part.Sequence.Runner != this)
            {
                throw new ArgumentException($"Sequence {i} of the step is another runner's: its blocks lie in another cache.", nameof(parts));
            }
            if (part.Rows < 1 || part.Rows > part.Sequence.Pending || part.LogitRows < 0 || part.LogitRows > part.Rows)
            {
                throw new ArgumentException($"Sequence {i} of the step has {part.Sequence.Pending} tokens to compute; {part.Rows} of them with the logits of {part.LogitRows} were asked for.", nameof(parts));
            }
            if (part.Sequence.Blocks.RowsBeforeChunkEdge(part.Rows) != part.Rows)
            {
                throw new ArgumentException($"{part.Rows} rows from position {part.Sequence.Length} cross an attention chunk edge.", nameof(parts));
            }
            for (int other = 0; other < i; other++)
            {
                if (parts[other].Sequence == part.Sequence)
                {
                    throw new ArgumentException($"A sequence stands twice in the step, as {other} and {i}.", nameof(parts));
                }
            }
            rows += part.Rows;
            logits += part.LogitRows;
        }
        if (rows < 1 || rows > StepRows || logits > LogitRows)
        {
            throw new ArgumentException($"A step has 1 to {StepRows} rows and the logits of at most {LogitRows}; asked for were {rows} and {logits}.", nameof(parts));
        }
    }

    private void Compute(ReadOnlySpan<StepPart> parts)
    {
        if (_results.Length < parts.Length)
        {
            _results = new (int, int)[2 * parts.Length];
        }
        _batch.Clear();
        _tables.Clear();
        // Single rows first: a backend may have a kernel of their own for them, whatever else is in the step.
        Gather(parts, single: true);
        Gather(parts, single: false);
        // Decoding comes again and again: in few shapes, with rows that mean nothing behind the others.
        bool repeats = Observer is null && _batch.IsDecode;
        int rows = repeats ? Math.Min(_backend.Steps.Padded(_batch.Rows), _activations.MostDecodeRows) : _batch.Rows;
        _backend.BeginStep(rows, repeats, _batch.Rows);
        _tables.Set(rows);
        _model.Text.Forward(_batch, rows, _activations, _tables, Observer);
        _backend.EndStep();
        int wanted = _batch.LogitRows;
        _chosen.AsSpan(0, wanted).Fill(NotChosen);
        _isOnHost.AsSpan(0, wanted).Clear();
        if (wanted > 0 && !TryChoose(parts, wanted))
        {
            Download(0, wanted);
        }
    }

    /// <summary>Chooses by the rules of the parts that have one, if there are any and the backend can; nothing of the logits comes to the host for it.</summary>
    private bool TryChoose(ReadOnlySpan<StepPart> parts, int wanted)
    {
        bool any = false, draws = false;
        for (int i = 0; i < parts.Length; i++)
        {
            // A row without one takes part in what costs least, and nobody asks what came out.
            _rules.AsSpan(_results[i].First, _results[i].Count).Fill(parts[i].Rule ?? s_cheapest);
            any |= _results[i].Count > 0 && parts[i].Rule is not null;
            draws |= _results[i].Count > 0 && parts[i].Rule is { IsBest: false };
        }
        Tensor logits = _activations.Logits.Slice(0, wanted);
        Span<int> chosen = _chosen.AsSpan(0, wanted);
        // What a backend draws does not depend on the others of the step; what is best is the same in either way.
        bool hasDrawn = draws && _backend.TryDraw(logits, _rules.AsSpan(0, wanted), chosen);
        if (!hasDrawn && (!any || !_backend.TryArgMax(logits, chosen)))
        {
            return false;
        }
        for (int i = 0; i < parts.Length; i++)
        {
            if (parts[i].Rule is not DrawRule rule || (!rule.IsBest && !hasDrawn))
            {
                chosen.Slice(_results[i].First, _results[i].Count).Fill(NotChosen);
            }
        }
        return true;
    }

    private void Gather(ReadOnlySpan<StepPart> parts, bool single)
    {
        for (int i = 0; i < parts.Length; i++)
        {
            StepPart part = parts[i];
            if ((part.Rows == 1) != single)
            {
                continue;
            }
            Sequence sequence = part.Sequence;
            _results[i] = (_batch.LogitRows, part.LogitRows);
            int first = _batch.Add(sequence.Next(part.Rows), sequence.Length, part.LogitRows);
            _tables.Add(sequence.Blocks, first, part.Rows);
            Embed(sequence, part.Rows, first);
        }
    }

    /// <summary>Puts the embeddings of pictures in the place of the rows that stand for them.</summary>
    private void Embed(Sequence sequence, int rows, int first)
    {
        int missing = sequence.PicturePartsIn(rows);
        IReadOnlyList<PictureRows> pictures = sequence.Embedded.Rows;
        for (int i = 0; i < pictures.Count; i++)
        {
            (int position, Tensor values) = pictures[i];
            int from = Math.Max(position, sequence.Length), to = Math.Min(position + values.Rows, sequence.Length + rows);
            if (from < to)
            {
                missing -= to - from;
                _batch.Replace(first + from - sequence.Length, values.Slice(from - position, to - from));
            }
        }
        if (missing > 0)
        {
            throw new InvalidOperationException($"{missing} tokens from position {sequence.Length} on are parts of pictures without embeddings: encode the prompt's pictures again.");
        }
    }

    private int Row(long step, int part, int row)
    {
        if (step != _step || _parts == 0)
        {
            throw new InvalidOperationException("The result is gone: the runner has begun another step.");
        }
        if ((uint)part >= (uint)_parts || (uint)row >= (uint)_results[part].Count)
        {
            throw new ArgumentOutOfRangeException(nameof(row), $"Row {row} of part {part} is not among those whose logits were wanted.");
        }
        return _results[part].First + row;
    }

    private void Download(int first, int rows)
    {
        _backend.Download(_activations.Logits.Slice(first, rows), _logits.AsSpan(first * Vocabulary, rows * Vocabulary));
        _isOnHost.AsSpan(first, rows).Fill(true);
    }
}
