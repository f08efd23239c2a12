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
    private readonly ModelMatrices _matrices;
    private readonly bool _isAsStored;
    private readonly IProgress<LoadProgress>? _progress;
    private readonly CancellationToken _cancellation;
    private readonly List<IDisposable> _owned = [];
    private long _done;

    public WeightLoader(Checkpoint checkpoint, IBackend backend, ModelOptions options, IProgress<LoadProgress>? progress, CancellationToken cancellation)
    {
        _checkpoint = checkpoint;
        _weights = checkpoint.Weights;
        _backend = backend;
        _matrices = new ModelMatrices(checkpoint.Config, _weights, options);
        _isAsStored = options.Included == LinearParts.None;
        _progress = progress;
        _cancellation = cancellation;
    }

    /// <summary>Bytes of packed weights.</summary>
    public long PackedBytes { get; private set; }

    /// <summary>Whether weights were to become int4 or FP8 but are stored quantised, and were kept.</summary>
    public bool KeptStored { get; private set; }

    /// <summary>Why weights that were saved packed had to be packed again; null if none had to.</summary>
    public string? PackedAgain { get; private set; }

    /// <summary>Whether every weight can have the format that it is to have: asked before the first one is packed.</summary>
    /// <exception cref="ModelFormatException">One cannot; it is named.</exception>
    public void CheckFormats()
    {
        foreach (ModelMatrix matrix in _isAsStored ? [] : _matrices.All)
        {
            if (matrix.Format?.WhyNot(matrix.Sources[0].Columns) is string reason)
            {
                throw new ModelFormatException(_checkpoint.Location, matrix.Name, $"{reason} Load it as stored or in FP8.");
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
            LmHead = Pack(WeightRole.OutputHead),
            FinalNorm = Vector(-1, WeightRole.FinalNorm),
            Layers = Enumerable.Range(0, c.Layers).Select(i => LoadLayer(c, i)).ToArray(),
        };
    }

    public VisionWeights LoadVision(VisionConfig c)
    {
        Weight positions = _weights[WeightRole.Positions];
        return new VisionWeights
        {
            PatchEmbedding = Pack(WeightRole.PatchEmbedding),
            ClassEmbedding = Vector(-1, WeightRole.ClassEmbedding),
            Positions = Upload(_weights.Values(positions), positions.Rows, positions.Columns),
            PreNorm = new LayerNormWeights(Vector(-1, WeightRole.PreNorm), Vector(-1, WeightRole.PreNormBias)),
            Layers = Enumerable.Range(0, c.Layers).Select(LoadVisionLayer).ToArray(),
            PostNorm = new LayerNormWeights(Vector(-1, WeightRole.PostNorm), Vector(-1, WeightRole.PostNormBias)),
            AdapterFc1 = Pack(WeightRole.AdapterFc1),
            AdapterFc2 = Pack(WeightRole.AdapterFc2),
            Projector = Pack(WeightRole.Projector),
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
        return new LayerWeights
        {
            AttentionNorm = Vector(layer, WeightRole.AttentionNorm),
            Qkv = Pack(WeightRole.Query, layer),
            QkvBias = c.AttentionBias ? Vector(layer, WeightRole.QueryBias, WeightRole.KeyBias, WeightRole.ValueBias) : null,
            Output = Pack(WeightRole.AttentionOutput, layer),
            OutputBias = c.AttentionBias ? Vector(layer, WeightRole.AttentionOutputBias) : null,
            FeedForwardNorm = Vector(layer, WeightRole.FeedForwardNorm),
            FeedForward = new FeedForwardWeights(Pack(moe ? WeightRole.SharedGate : WeightRole.Gate, layer), Pack(moe ? WeightRole.SharedDown : WeightRole.Down, layer)),
            Router = moe ? Pack(WeightRole.Router, layer) : null,
            Experts = moe ? LoadExperts(c, layer) : [],
        };
    }

    private ExpertWeights[] LoadExperts(TextConfig c, int layer)
    {
        IMatrix[] gateUp = PackStack(WeightRole.ExpertGate, layer, c.Experts), down = PackStack(WeightRole.ExpertDown, layer, c.Experts);
        return [.. gateUp.Zip(down, (a, b) => new ExpertWeights(a, b))];
    }

    private VisionLayerWeights LoadVisionLayer(int layer) => new()
    {
        AttentionNorm = new LayerNormWeights(Vector(layer, WeightRole.VisionAttentionNorm), Vector(layer, WeightRole.VisionAttentionNormBias)),
        Qkv = Pack(WeightRole.VisionQuery, layer),
        QkvBias = Vector(layer, WeightRole.VisionQueryBias, WeightRole.VisionKeyBias, WeightRole.VisionValueBias),
        Output = Pack(WeightRole.VisionOutput, layer),
        OutputBias = Vector(layer, WeightRole.VisionOutputBias),
        MlpNorm = new LayerNormWeights(Vector(layer, WeightRole.VisionMlpNorm), Vector(layer, WeightRole.VisionMlpNormBias)),
        Fc1 = Pack(WeightRole.VisionFc1, layer),
        Fc1Bias = Vector(layer, WeightRole.VisionFc1Bias),
        Fc2 = Pack(WeightRole.VisionFc2, layer),
        Fc2Bias = Vector(layer, WeightRole.VisionFc2Bias),
    };

    private IMatrix Pack(WeightRole first, int layer = -1)
    {
        _cancellation.ThrowIfCancellationRequested();
        ModelMatrix matrix = _matrices[first, layer];
        (MatrixSource[] sources, WeightFormat? format) = matrix.ToPack();
        IMatrix packed = Own(_backend.Pack(sources, format));
        AfterPacking(matrix);
        return Count(packed);
    }

    private IMatrix[] PackStack(WeightRole first, int layer, int count)
    {
        ModelMatrix? previous = null;
        IMatrix[] packed = _backend.PackStack(count, i =>
        {
            AfterPacking(previous);
            _cancellation.ThrowIfCancellationRequested();
            previous = _matrices[first, layer, i];
            return previous.ToPack();
        });
        AfterPacking(previous);
        return Array.ConvertAll(packed, item => Count(Own(item)));
    }

    private IMatrix Count(IMatrix packed)
    {
        PackedBytes += packed.Bytes;
        PackedAgain ??= packed.PackedAgain;
        return packed;
    }

    private void AfterPacking(ModelMatrix? matrix)
    {
        if (matrix is null)
        {
            return;
        }
        KeptStored |= matrix.IsKept;
        foreach (MatrixSource source in matrix.Sources)
        {
            _weights.GiveBack(source);
        }
        Report(matrix.Name, matrix.Sources.Sum(source => source.StoredBytes));
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
