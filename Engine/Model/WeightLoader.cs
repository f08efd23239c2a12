using Llama4Kernels.Engine.Checkpoints;
using Llama4Kernels.Engine.Checkpoints.Weights;
using Llama4Kernels.Engine.Config;
using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Engine.Model;

/// <summary>
/// Packs a validated checkpoint's weights for a backend, reporting progress and freeing what it made on failure. Pages of the
/// files are given back as soon as they are packed.
/// </summary>
internal sealed class WeightLoader : IDisposable
{
    private readonly Checkpoint _checkpoint;
    private readonly WeightCatalogue _weights;
    private readonly IBackend _backend;
    private readonly ModelOptions _options;
    private readonly IProgress<LoadProgress>? _progress;
    private readonly CancellationToken _cancellation;
    private readonly List<IDisposable> _owned = [];
    private long _done;

    public WeightLoader(Checkpoint checkpoint, IBackend backend, ModelOptions options, IProgress<LoadProgress>? progress, CancellationToken cancellation)
    {
        _checkpoint = checkpoint;
        _weights = checkpoint.Weights;
        _backend = backend;
        _options = options;
        _progress = progress;
        _cancellation = cancellation;
    }

    /// <summary>Bytes of packed weights.</summary>
    public long PackedBytes { get; private set; }

    /// <summary>Whether weights were to become int4 or FP8 but are stored quantised, and were kept.</summary>
    public bool KeptStored { get; private set; }

    /// <summary>Whether every weight can have the format that it is to have: asked before the first one is packed.</summary>
    /// <exception cref="ModelFormatException">One cannot; it is named.</exception>
    public void CheckFormats()
    {
        TextConfig c = _checkpoint.Config.Text;
        if (_options.Included == LinearParts.None)
        {
            return;
        }
        foreach ((string what, WeightFormat? format, MatrixSource[] sources) in Enumerable.Range(0, c.Layers).SelectMany(layer => FormattedWeights(c, layer)).Append((HeadName, Head, [HeadSource()])))
        {
            if (Wanted(format, sources)?.WhyNot(sources[0].Columns) is string reason)
            {
                throw new ModelFormatException(_checkpoint.Location, what, $"{reason} Load it as stored or in FP8.");
            }
        }
    }

    public TextWeights LoadText()
    {
        TextConfig c = _checkpoint.Config.Text;
        MatrixSource embedding = _weights.Open(_weights[WeightRole.Embedding]);
        IEmbedding table = Own(_backend.CreateEmbedding(embedding));
        Report("embedding", _checkpoint.Config.TieWordEmbeddings ? 0 : embedding.StoredBytes);
        return new TextWeights
        {
            Embedding = table,
            LmHead = Pack(HeadName, Head, HeadSource()),
            FinalNorm = Vector(-1, WeightRole.FinalNorm),
            Layers = Enumerable.Range(0, c.Layers).Select(i => LoadLayer(c, i)).ToArray(),
        };
    }

    public VisionWeights LoadVision(VisionConfig c)
    {
        const string What = "vision";
        Weight positions = _weights[WeightRole.Positions];
        return new VisionWeights
        {
            PatchEmbedding = Pack(What, -1, WeightRole.PatchEmbedding),
            ClassEmbedding = Vector(-1, WeightRole.ClassEmbedding),
            Positions = Upload(_weights.Values(positions), positions.Rows, positions.Columns),
            PreNorm = new LayerNormWeights(Vector(-1, WeightRole.PreNorm), Vector(-1, WeightRole.PreNormBias)),
            Layers = Enumerable.Range(0, c.Layers).Select(LoadVisionLayer).ToArray(),
            PostNorm = new LayerNormWeights(Vector(-1, WeightRole.PostNorm), Vector(-1, WeightRole.PostNormBias)),
            AdapterFc1 = Pack(What, -1, WeightRole.AdapterFc1),
            AdapterFc2 = Pack(What, -1, WeightRole.AdapterFc2),
            Projector = Pack(What, -1, WeightRole.Projector),
        };
    }

    /// <summary>Everything that was packed, for the caller to own, when all is; a loader that was not released frees it.</summary>
    public IReadOnlyList<IDisposable> Release()
    {
        // What is small or not needed was not counted.
        Report("done", _checkpoint.TotalBytes);
        IDisposable[] owned = [.. _owned];
        _owned.Clear();
        return owned;
    }

    public void Dispose()
    {
        foreach (IDisposable item in _owned)
        {
            item.Dispose();
        }
        _owned.Clear();
    }

    private LayerWeights LoadLayer(TextConfig c, int layer)
    {
        bool moe = c.LayerKinds[layer].IsMoe;
        WeightFormat? shared = _options.FeedForward(moe), attention = _options.FormatOf(LinearParts.Attention);
        string what = NameOf(layer);
        return new LayerWeights
        {
            AttentionNorm = Vector(layer, WeightRole.AttentionNorm),
            Qkv = Pack(what, attention, QkvOf(layer)),
            QkvBias = c.AttentionBias ? Vector(layer, WeightRole.QueryBias, WeightRole.KeyBias, WeightRole.ValueBias) : null,
            Output = Pack(what, attention, OutputOf(layer)),
            OutputBias = c.AttentionBias ? Vector(layer, WeightRole.AttentionOutputBias) : null,
            FeedForwardNorm = Vector(layer, WeightRole.FeedForwardNorm),
            FeedForward = new FeedForwardWeights(Pack(what, shared, GateUpOf(layer, moe)), Pack(what, shared, DownOf(layer, moe))),
            Router = moe ? Pack(what, layer, WeightRole.Router) : null,
            Experts = moe ? LoadExperts(c, layer) : [],
        };
    }

    private ExpertWeights[] LoadExperts(TextConfig c, int layer)
    {
        IMatrix[] gateUp = PackStack(layer, c.Experts, e => ExpertGateUpOf(c, layer, e));
        IMatrix[] down = PackStack(layer, c.Experts, e => ExpertDownOf(c, layer, e));
        return [.. gateUp.Zip(down, (a, b) => new ExpertWeights(a, b))];
    }

    /// <summary>What of a layer the options may bring into another format than the stored one.</summary>
    private IEnumerable<(string What, WeightFormat? Format, MatrixSource[] Sources)> FormattedWeights(TextConfig c, int layer)
    {
        bool moe = c.LayerKinds[layer].IsMoe;
        WeightFormat? shared = _options.FeedForward(moe), attention = _options.FormatOf(LinearParts.Attention);
        yield return (NameOf(layer), attention, QkvOf(layer));
        yield return (NameOf(layer), attention, OutputOf(layer));
        yield return (NameOf(layer), shared, GateUpOf(layer, moe));
        yield return (NameOf(layer), shared, DownOf(layer, moe));
        for (int expert = 0; moe && expert < c.Experts; expert++)
        {
            foreach ((MatrixSource[] sources, WeightFormat? format) in new[] { ExpertGateUpOf(c, layer, expert), ExpertDownOf(c, layer, expert) })
            {
                yield return (NameOfExperts(layer), format, sources);
            }
        }
    }

    private const string HeadName = "output head";

    private WeightFormat? Head => _options.FormatOf(LinearParts.Head);

    private MatrixSource HeadSource() => _weights.Open(_weights[_checkpoint.Config.TieWordEmbeddings ? WeightRole.Embedding : WeightRole.OutputHead]);

    private static string NameOf(int layer) => $"layer {layer}";

    private static string NameOfExperts(int layer) => $"experts of layer {layer}";

    private MatrixSource[] QkvOf(int layer) => Sources(layer, -1, WeightRole.Query, WeightRole.Key, WeightRole.Value);

    private MatrixSource[] OutputOf(int layer) => Sources(layer, -1, WeightRole.AttentionOutput);

    private MatrixSource[] GateUpOf(int layer, bool moe) => Sources(layer, -1, moe ? [WeightRole.SharedGate, WeightRole.SharedUp] : [WeightRole.Gate, WeightRole.Up]);

    private MatrixSource[] DownOf(int layer, bool moe) => Sources(layer, -1, moe ? WeightRole.SharedDown : WeightRole.Down);

    private (MatrixSource[] Sources, WeightFormat? Format) ExpertGateUpOf(TextConfig c, int layer, int expert) =>
        WithFormat(c, layer, Sources(layer, expert, WeightRole.ExpertGate, WeightRole.ExpertUp));

    private (MatrixSource[] Sources, WeightFormat? Format) ExpertDownOf(TextConfig c, int layer, int expert) =>
        WithFormat(c, layer, Sources(layer, expert, WeightRole.ExpertDown));

    private (MatrixSource[] Sources, WeightFormat? Format) WithFormat(TextConfig c, int layer, MatrixSource[] sources) => (sources, _options.Expert(c, layer, sources));

    private VisionLayerWeights LoadVisionLayer(int layer)
    {
        string what = $"vision layer {layer}";
        return new VisionLayerWeights
        {
            AttentionNorm = new LayerNormWeights(Vector(layer, WeightRole.VisionAttentionNorm), Vector(layer, WeightRole.VisionAttentionNormBias)),
            Qkv = Pack(what, layer, WeightRole.VisionQuery, WeightRole.VisionKey, WeightRole.VisionValue),
            QkvBias = Vector(layer, WeightRole.VisionQueryBias, WeightRole.VisionKeyBias, WeightRole.VisionValueBias),
            Output = Pack(what, layer, WeightRole.VisionOutput),
            OutputBias = Vector(layer, WeightRole.VisionOutputBias),
            MlpNorm = new LayerNormWeights(Vector(layer, WeightRole.VisionMlpNorm), Vector(layer, WeightRole.VisionMlpNormBias)),
            Fc1 = Pack(what, layer, WeightRole.VisionFc1),
            Fc1Bias = Vector(layer, WeightRole.VisionFc1Bias),
            Fc2 = Pack(what, layer, WeightRole.VisionFc2),
            Fc2Bias = Vector(layer, WeightRole.VisionFc2Bias),
        };
    }

    private MatrixSource[] Sources(int layer, int expert, params ReadOnlySpan<WeightRole> roles)
    {
        var sources = new MatrixSource[roles.Length];
        for (int i = 0; i < roles.Length; i++)
        {
            sources[i] = _weights.Open(_weights[roles[i], layer, expert]);
        }
        return sources;
    }

    private IMatrix Pack(string what, int layer, params ReadOnlySpan<WeightRole> roles) => Pack(what, null, Sources(layer, -1, roles));

    private IMatrix Pack(string what, WeightFormat? format, params ReadOnlySpan<MatrixSource> sources)
    {
        (MatrixSource[] given, format) = SchemeFormats.ToPack(sources.ToArray(), Wanted(format, sources));
        _cancellation.ThrowIfCancellationRequested();
        IMatrix packed = Own(_backend.Pack(given, format));
        AfterPacking(what, sources);
        PackedBytes += packed.Bytes;
        return packed;
    }

    private IMatrix[] PackStack(int layer, int count, Func<int, (MatrixSource[] Sources, WeightFormat? Format)> matrix)
    {
        string what = NameOfExperts(layer);
        MatrixSource[] previous = [];
        IMatrix[] packed = _backend.PackStack(count, i =>
        {
            AfterPacking(what, previous);
            (MatrixSource[] sources, WeightFormat? format) = matrix(i);
            format = Wanted(format, sources);
            _cancellation.ThrowIfCancellationRequested();
            previous = sources;
            return SchemeFormats.ToPack(sources, format);
        });
        AfterPacking(what, previous);
        foreach (IMatrix item in packed)
        {
            PackedBytes += Own(item).Bytes;
        }
        return packed;
    }

    private WeightFormat? Wanted(WeightFormat? format, ReadOnlySpan<MatrixSource> sources)
    {
        if (format is null || !SchemeFormats.AreKept(sources))
        {
            return format;
        }
        KeptStored = true;
        return null;
    }

    private void AfterPacking(string what, ReadOnlySpan<MatrixSource> sources)
    {
        if (sources.IsEmpty)
        {
            return;
        }
        foreach (MatrixSource source in sources)
        {
            _weights.GiveBack(source);
        }
        Report(what, sources.ToArray().Sum(source => source.StoredBytes));
    }

    private void Report(string what, long bytes)
    {
        _done = Math.Min(_done + bytes, _checkpoint.TotalBytes);
        _progress?.Report(new LoadProgress(_done, _checkpoint.TotalBytes, what));
    }

    /// <summary>Vectors one after another as a row [1, n].</summary>
    private Tensor Vector(int layer, params ReadOnlySpan<WeightRole> roles)
    {
        List<float> values = [];
        foreach (WeightRole role in roles)
        {
            values.AddRange(_weights.Values(_weights[role, layer]));
        }
        return Upload([.. values], 1, values.Count);
    }

    private Tensor Upload(float[] values, int rows, int columns)
    {
        DeviceMemory memory = Own(_backend.Allocate((long)values.Length * sizeof(float)));
        Tensor view = memory.View(rows, columns);
        _backend.Upload(values, view);
        PackedBytes += memory.Length;
        return view;
    }

    private T Own<T>(T item)
        where T : IDisposable
    {
        _owned.Add(item);
        return item;
    }
}
