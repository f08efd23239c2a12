using System.Buffers.Binary;
using Llama4Kernels.Engine.Config;
using Llama4Kernels.Engine.Images;
using Llama4Kernels.Engine.KvCache;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Engine.Generation;

/// <summary>
/// Runs sequences through a model: prefill of prompts (in pieces, with pictures) and decode steps of several sequences
/// together. After warm-up a decode step allocates nothing. Not thread-safe.
/// </summary>
public sealed class InferenceSession : IDisposable
{
    /// <summary>Most pictures of a prompt.</summary>
    public const int MaxImages = 48;

    private readonly Llama4Model _model;
    private readonly SessionOptions _options;
    private readonly TextActivations _activations;
    private readonly KvPagePool _pool;
    private readonly Batch _batch;
    private readonly float[] _logits;
    private readonly int[] _best;
    private readonly int _stepRows, _logitRows;
    private int _rowsOnDevice;

    /// <summary>Allocates activations for the session's step size.</summary>
    public InferenceSession(Llama4Model model, SessionOptions? options = null)
    {
        _model = model;
        _options = options ?? new SessionOptions();
        TextConfig c = model.Config.Text;
        MaxContext = Math.Min(_options.MaxContext ?? c.MaxPositions, c.MaxPositions);
        _pool = new KvPagePool(model.Backend, Layout(c, model.Options.Activations, _options.PageTokens));
        (_stepRows, _logitRows) = StepRows(_options, model.Backend.Steps, MaxContext);
        _activations = new TextActivations(c, model.Backend, _stepRows, _logitRows);
        _batch = new Batch(_stepRows);
        _logits = new float[(long)_logitRows * c.VocabSize];
        _best = new int[_logitRows];
    }

    /// <summary>Tokens a sequence may hold.</summary>
    public int MaxContext { get; }

    /// <summary>The pages behind all sequences.</summary>
    public KvPagePool Pages => _pool;

    /// <summary>Sees intermediate results, if set.</summary>
    public IForwardObserver? Observer { get; set; }

    /// <summary>
    /// Only the best token of each wanted row is needed: a backend that finds it on the device then keeps the logits there
    /// until someone asks for them. Changes no result.
    /// </summary>
    internal bool BestOnly { get; set; }

    private int Vocabulary => _model.Config.Text.VocabSize;

    /// <summary>Shape of the cache's pages.</summary>
    internal static KvLayout Layout(TextConfig c, ActivationPrecision activations, int pageTokens) =>
        new(pageTokens, c.KvHeads, c.HeadDim, activations == ActivationPrecision.BFloat16 ? KvFormat.BF16 : KvFormat.F32);

    /// <summary>Most rows of a step, and of one's logits. No step is longer than the context, and each decodes all sequences.</summary>
    internal static (int Rows, int LogitRows) StepRows(SessionOptions options, StepSizes backend, int context)
    {
        int logitRows = options.MaxLogitRows ?? backend.LogitRows;
        return (options.StepRows ?? Math.Max(Math.Min(backend.Rows, context), logitRows), logitRows);
    }

    /// <summary>A new, empty sequence; dispose it to give its pages back.</summary>
    public Sequence CreateSequence() => new(new SequenceCache(_model.Config.Text, _pool));

    /// <summary>Logits [V] of the i-th wanted row of the last step; valid until the next step. May be changed in place.</summary>
    public Span<float> Logits(int row = 0)
    {
        if (_rowsOnDevice > 0)
        {
            lock (_model.Gate)
            {
                Download(_rowsOnDevice);
            }
        }
        return _logits.AsSpan(row * Vocabulary, Vocabulary);
    }

    /// <summary>
    /// The largest logit's id of the i-th wanted row of the last step, the lowest of equals, if the device has found it
    /// (<see cref="BestOnly"/>); null if it is to be taken from <see cref="Logits"/>, as when they are invalid.
    /// </summary>
    internal int? Best(int row = 0) => _rowsOnDevice > 0 ? _best[row] : null;

    /// <summary>
    /// Makes the sequence hold exactly the prompt, reusing what it already holds of it, and leaves the last token's logits in
    /// <see cref="Logits"/>. Returns how many tokens were reused.
    /// </summary>
    /// <param name="sequence">The sequence; emptied first if its content is not a prefix of the prompt.</param>
    /// <param name="prompt">Ids and pictures.</param>
    /// <param name="progress">Told the number of tokens done after each step.</param>
    /// <param name="cancellation">Checked before each step; afterwards the sequence holds the finished steps.</param>
    /// <exception cref="ContextOverflowException">The prompt leaves no room for a token.</exception>
    /// <exception cref="ArgumentException">An id is outside the vocabulary, or pictures and patch tokens do not match.</exception>
    public int Prefill(Sequence sequence, Prompt prompt, IProgress<int>? progress = null, CancellationToken cancellation = default)
    {
        Check(prompt);
        long[] keys = KeysOf(prompt);
        int reused = sequence.Reusable(keys);
        if (reused == 0)
        {
            sequence.Clear();
        }
        int cached = CachedImages(prompt, reused);
        float[] features = Encode(prompt.Images.Skip(cached).ToArray(), cancellation);
        int skipped = prompt.Images.Take(cached).Sum(i => i.Tiles) * _model.TokensPerTile;
        Append(sequence, prompt.Ids, keys, reused, prompt.Ids.Length - 1, features, skipped, null, progress, cancellation);
        return reused;
    }

    /// <summary>
    /// Appends tokens to a sequence, with the embeddings of pictures given directly, and hands the logits of every token from
    /// <paramref name="logitsFrom"/> on to <paramref name="onLogits"/> (index in ids, logits [V]), step by step.
    /// </summary>
    public void Append(Sequence sequence, int[] ids, int logitsFrom, float[] features, Action<int, ReadOnlySpan<float>>? onLogits, CancellationToken cancellation = default)
    {
        CheckIds(ids);
        long[] keys = Array.ConvertAll(ids, id => (long)id);
        Append(sequence, ids, keys, 0, logitsFrom, features, 0, onLogits, null, cancellation);
    }

    /// <summary>One decode step: appends ids[i] to sequences[i], which must differ, and computes each one's logits.</summary>
    public void Decode(ReadOnlySpan<Sequence> sequences, ReadOnlySpan<int> ids)
    {
        if (sequences.Length != ids.Length || ids.Length == 0 || ids.Length > _logitRows)
        {
            throw new ArgumentException($"{sequences.Length} sequences and {ids.Length} ids; needed are equal numbers of 1 to {_logitRows}.");
        }
        CheckIds(ids);
        _batch.Clear();
        for (int i = 0; i < ids.Length; i++)
        {
            if (sequences[i].Length >= MaxContext)
            {
                throw new ContextOverflowException(sequences[i].Length, MaxContext);
            }
            _batch.Add(sequences[i].Cache, ids.Slice(i, 1), 0);
        }
        Step();
        for (int i = 0; i < ids.Length; i++)
        {
            sequences[i].Keys.Add(ids[i]);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _activations.Dispose();
        _pool.Dispose();
    }

    /// <summary>Whether <see cref="Prefill"/> would take the prompt; changes nothing.</summary>
    /// <inheritdoc cref="Prefill" path="/exception"/>
    internal void Check(Prompt prompt)
    {
        if (prompt.Ids.Length == 0)
        {
            throw new ArgumentException("The prompt has no tokens.", nameof(prompt));
        }
        if (prompt.Ids.Length >= MaxContext)
        {
            throw new ContextOverflowException(prompt.Ids.Length, MaxContext);
        }
        CheckIds(prompt.Ids);
        if (prompt.Images.Count > MaxImages)
        {
            throw new ArgumentException($"The prompt has {prompt.Images.Count} pictures; at most {MaxImages} are allowed.");
        }
        if (prompt.Images.Count > 0 && _model.Vision is null)
        {
            throw new ArgumentException("The prompt has pictures, but the model was loaded without its vision tower (or has none).");
        }
    }

    private void Append(
        Sequence sequence, int[] ids, long[] keys, int from, int logitsFrom, float[] features, int skippedPatches,
        Action<int, ReadOnlySpan<float>>? onLogits, IProgress<int>? progress, CancellationToken cancellation)
    {
        int patchId = _model.Config.ImageToken;
        // Positions of the patch tokens whose embeddings are given; those of pictures that are cached whole are left out.
        int[] patches = features.Length == 0 ? [] : [.. Enumerable.Range(0, ids.Length).Where(i => ids[i] == patchId).Skip(skippedPatches)];
        CheckPatches(patches.Length, features);
        int nextPatch = patches.Count(p => p < from);
        int d = _model.Config.Text.HiddenSize;
        for (int first = from; first < ids.Length;)
        {
            cancellation.ThrowIfCancellationRequested();
            int rows = sequence.Cache.RowsBeforeChunkEdge(Math.Min(ids.Length - first, _stepRows));
            if (first + rows - Math.Max(first, logitsFrom) > _logitRows)
            {
                // More logits than the buffer holds: first the rows without, then as many as it holds.
                rows = first < logitsFrom ? logitsFrom - first : _logitRows;
            }
            int inStep = 0;
            while (nextPatch + inStep < patches.Length && patches[nextPatch + inStep] < first + rows)
            {
                inStep++;
            }
            int[] featureRows = [.. patches.AsSpan(nextPatch, inStep).ToArray().Select(p => p - first)];
            _batch.Clear();
            _batch.Add(sequence.Cache, ids.AsSpan(first, rows), Math.Clamp(logitsFrom - first, 0, rows), features.AsMemory(nextPatch * d, inStep * d), featureRows);
            int wanted = Step();
            sequence.Keys.AddRange(keys.AsSpan(first, rows));
            for (int i = 0; onLogits is not null && i < wanted; i++)
            {
                onLogits(first + rows - wanted + i, Logits(i));
            }
            first += rows;
            nextPatch += inStep;
            progress?.Report(first);
        }
    }

    private int Step()
    {
        lock (_model.Gate)
        {
            _rowsOnDevice = 0;
            int rows = _model.Text.Forward(_batch, _activations, _pool.Layout, Observer);
            Span<int> best = _best.AsSpan(0, rows);
            if (rows > 0 && BestOnly && _model.Backend.TryArgMax(_activations.Logits.Slice(0, rows), best) && !best.Contains(-1))
            {
                _rowsOnDevice = rows;
            }
            else if (rows > 0)
            {
                Download(rows);
            }
            return rows;
        }
    }

    private void Download(int rows)
    {
        _model.Backend.Download(_activations.Logits.Slice(0, rows), _logits.AsSpan(0, rows * Vocabulary));
        _rowsOnDevice = 0;
    }

    private float[] Encode(IReadOnlyList<PreprocessedImage> images, CancellationToken cancellation)
    {
        if (images.Count == 0)
        {
            return [];
        }
        ushort[] pixels = [.. images.SelectMany(i => i.Bf16Tiles)];
        lock (_model.Gate)
        {
            return _model.Vision!.Encode(pixels, images.Sum(i => i.Tiles), Observer, cancellation);
        }
    }

    /// <summary>Leading pictures whose last patch is among the reused tokens.</summary>
    private int CachedImages(Prompt prompt, int reused)
    {
        int patchId = _model.Config.ImageToken;
        int left = prompt.Ids.AsSpan(0, reused).Count(patchId);
        int images = 0;
        while (images < prompt.Images.Count && (left -= prompt.Images[images].Tiles * _model.TokensPerTile) >= 0)
        {
            images++;
        }
        return images;
    }

    private long[] KeysOf(Prompt prompt)
    {
        long[] keys = Array.ConvertAll(prompt.Ids, id => (long)id);
        int patchId = _model.Config.ImageToken;
        int image = -1, left = 0;
        for (int i = 0; i < keys.Length && prompt.Images.Count > 0; i++)
        {
            if (prompt.Ids[i] != patchId)
            {
                continue;
            }
            if (left == 0)
            {
                if (++image == prompt.Images.Count)
                {
                    throw PatchMismatch(prompt.Ids.Count(id => id == patchId), prompt.Images.Sum(p => p.Tiles) * _model.TokensPerTile);
                }
                left = prompt.Images[image].Tiles * _model.TokensPerTile;
            }
            // The sign bit keeps a picture's key apart from every token id.
            keys[i] = long.MinValue | (BinaryPrimitives.ReadInt64LittleEndian(Convert.FromHexString(prompt.Images[image].ContentHash.AsSpan(0, 16))) + left);
            left--;
        }
        return keys;
    }

    private void CheckPatches(int patches, float[] features)
    {
        int rows = features.Length / _model.Config.Text.HiddenSize;
        if (patches != rows)
        {
            throw PatchMismatch(patches, rows);
        }
    }

    private void CheckIds(ReadOnlySpan<int> ids)
    {
        foreach (int id in ids)
        {
            if ((uint)id >= (uint)Vocabulary)
            {
                throw new ArgumentException($"Token id {id} is outside the vocabulary of {Vocabulary}.");
            }
        }
    }

    private static ArgumentException PatchMismatch(int tokens, int embeddings) =>
        new($"The prompt has {tokens} patch tokens, but its pictures give {embeddings} embeddings; each picture needs its full token run.");
}
