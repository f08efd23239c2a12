using Llama4Kernels.Engine.Checkpoints;
using Llama4Kernels.Engine.Config;
using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Engine.Model;

/// <summary>Packs a validated checkpoint's tensors for a backend, reporting progress and freeing what it made on failure.</summary>
internal sealed class WeightLoader : IDisposable
{
    private readonly Checkpoint _checkpoint;
    private readonly IBackend _backend;
    private readonly WeightScheme _scheme;
    private readonly IProgress<LoadProgress>? _progress;
    private readonly CancellationToken _cancellation;
    private readonly List<IDisposable> _owned = [];
    private long _done;

    public WeightLoader(Checkpoint checkpoint, IBackend backend, WeightScheme scheme, IProgress<LoadProgress>? progress, CancellationToken cancellation)
    {
        _checkpoint = checkpoint;
        _backend = backend;
        _scheme = scheme;
        _progress = progress;
        _cancellation = cancellation;
    }

    /// <summary>Bytes of packed weights.</summary>
    public long PackedBytes { get; private set; }

    public TextWeights LoadText()
    {
        TextConfig c = _checkpoint.Config.Text;
        string model = _checkpoint.Prefix + "model.";
        MatrixSource embedding = _checkpoint.Matrix(model + "embed_tokens.weight");
        return new TextWeights
        {
            Embedding = Own(_backend.CreateEmbedding(embedding)),
            LmHead = Pack("lm_head", _checkpoint.Config.TieWordEmbeddings ? embedding : _checkpoint.Matrix(_checkpoint.Prefix + "lm_head.weight")),
            FinalNorm = Vector(model + "norm.weight"),
            Layers = Enumerable.Range(0, c.Layers).Select(i => LoadLayer($"{model}layers.{i}.", c, i)).ToArray(),
        };
    }

    public VisionWeights LoadVision(VisionConfig c)
    {
        const string Vision = "vision_model.";
        MatrixSource positions = _checkpoint.Matrix(Vision + "positional_embedding_vlm");
        return new VisionWeights
        {
            PatchEmbedding = Pack(Vision, _checkpoint.Matrix(Vision + "patch_embedding.linear.weight")),
            ClassEmbedding = Vector(Vision + "class_embedding"),
            Positions = Values(Vision + "positional_embedding_vlm", positions.Rows, positions.Columns),
            PreNorm = LayerNorm(Vision + "layernorm_pre."),
            Layers = Enumerable.Range(0, c.Layers).Select(i => LoadVisionLayer($"{Vision}model.layers.{i}.")).ToArray(),
            PostNorm = LayerNorm(Vision + "layernorm_post."),
            AdapterFc1 = Pack(Vision, _checkpoint.Matrix(Vision + "vision_adapter.mlp.fc1.weight")),
            AdapterFc2 = Pack(Vision, _checkpoint.Matrix(Vision + "vision_adapter.mlp.fc2.weight")),
            Projector = Pack("multi_modal_projector", _checkpoint.Matrix("multi_modal_projector.linear_1.weight")),
        };
    }

    /// <summary>Everything packed so far, for the caller to own; a loader that was not released frees it.</summary>
    public IReadOnlyList<IDisposable> Release()
    {
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

    private LayerWeights LoadLayer(string prefix, TextConfig c, int index)
    {
        LayerConfig rules = c.LayerKinds[index];
        WeightFormat? shared = rules.IsMoe && _scheme == WeightScheme.Int4 ? WeightFormat.Int4 : null;
        string attention = prefix + "self_attn.";
        string feedForward = prefix + "feed_forward.";
        string dense = rules.IsMoe ? feedForward + "shared_expert." : feedForward;
        return new LayerWeights
        {
            AttentionNorm = Vector(prefix + "input_layernorm.weight"),
            Qkv = Pack(attention, _checkpoint.Matrix(attention + "q_proj.weight"), _checkpoint.Matrix(attention + "k_proj.weight"), _checkpoint.Matrix(attention + "v_proj.weight")),
            QkvBias = c.AttentionBias ? Vector(attention + "q_proj.bias", attention + "k_proj.bias", attention + "v_proj.bias") : null,
            Output = Pack(attention, _checkpoint.Matrix(attention + "o_proj.weight")),
            OutputBias = c.AttentionBias ? Vector(attention + "o_proj.bias") : null,
            FeedForwardNorm = Vector(prefix + "post_attention_layernorm.weight"),
            FeedForward = new FeedForwardWeights(
                Pack(dense, shared, _checkpoint.Matrix(dense + "gate_proj.weight"), _checkpoint.Matrix(dense + "up_proj.weight")),
                Pack(dense, shared, _checkpoint.Matrix(dense + "down_proj.weight"))),
            Router = rules.IsMoe ? Pack(feedForward, _checkpoint.Matrix(feedForward + "router.weight")) : null,
            Experts = rules.IsMoe ? LoadExperts(feedForward + "experts.", c, index) : [],
        };
    }

    /// <summary>The experts from the fused [E, in, out] tensors or, as quantised releases have it, from tensors of their own.</summary>
    private ExpertWeights[] LoadExperts(string experts, TextConfig c, int layer)
    {
        bool inner = layer != 0 && layer != c.Layers - 1;
        bool fused = _checkpoint.Has(experts + "gate_up_proj");
        IMatrix[] gateUp = PackStack(experts, c.Experts, e => fused
            ? Chosen(_checkpoint.ExpertSlice(experts + "gate_up_proj", e, 0, 2 * c.IntermediateSize))
            : Separate($"{experts}{e}.", "gate_proj.weight", "up_proj.weight"));
        IMatrix[] down = PackStack(experts, c.Experts, e => fused
            ? Chosen(_checkpoint.ExpertSlice(experts + "down_proj", e, 0, c.HiddenSize))
            : Separate($"{experts}{e}.", "down_proj.weight"));
        return [.. gateUp.Zip(down, (a, b) => new ExpertWeights(a, b))];

        (MatrixSource[] Sources, WeightFormat? Format) Separate(string expert, params ReadOnlySpan<string> names)
        {
            List<MatrixSource> sources = [];
            foreach (string name in names)
            {
                sources.Add(_checkpoint.Matrix(expert + name));
            }
            return Chosen([.. sources]);
        }

        (MatrixSource[] Sources, WeightFormat? Format) Chosen(params MatrixSource[] sources) =>
            (sources, ExpertFormat(inner || Array.TrueForAll(sources, source => source is StridedMatrix { Type: ElementType.F8E4M3 })));
    }

    private WeightFormat? ExpertFormat(bool mayBeFp8) => _scheme switch
    {
        WeightScheme.Int4 => WeightFormat.Int4,
        WeightScheme.Fp8 when mayBeFp8 => WeightFormat.Fp8Activations,
        _ => null,
    };

    private VisionLayerWeights LoadVisionLayer(string prefix)
    {
        string attention = prefix + "self_attn.";
        return new VisionLayerWeights
        {
            AttentionNorm = LayerNorm(prefix + "input_layernorm."),
            Qkv = Pack(attention, _checkpoint.Matrix(attention + "q_proj.weight"), _checkpoint.Matrix(attention + "k_proj.weight"), _checkpoint.Matrix(attention + "v_proj.weight")),
            QkvBias = Vector(attention + "q_proj.bias", attention + "k_proj.bias", attention + "v_proj.bias"),
            Output = Pack(attention, _checkpoint.Matrix(attention + "o_proj.weight")),
            OutputBias = Vector(attention + "o_proj.bias"),
            MlpNorm = LayerNorm(prefix + "post_attention_layernorm."),
            Fc1 = Pack(prefix, _checkpoint.Matrix(prefix + "mlp.fc1.weight")),
            Fc1Bias = Vector(prefix + "mlp.fc1.bias"),
            Fc2 = Pack(prefix, _checkpoint.Matrix(prefix + "mlp.fc2.weight")),
            Fc2Bias = Vector(prefix + "mlp.fc2.bias"),
        };
    }

    private LayerNormWeights LayerNorm(string prefix) => new(Vector(prefix + "weight"), Vector(prefix + "bias"));

    private IMatrix Pack(string what, params ReadOnlySpan<MatrixSource> sources) => Pack(what, null, sources);

    private IMatrix Pack(string what, WeightFormat? format, params ReadOnlySpan<MatrixSource> sources)
    {
        BeforePacking(what, format, sources);
        IMatrix packed = Own(_backend.Pack(sources, format));
        AfterPacking(what, sources);
        PackedBytes += packed.Bytes;
        return packed;
    }

    private IMatrix[] PackStack(string what, int count, Func<int, (MatrixSource[] Sources, WeightFormat? Format)> matrix)
    {
        MatrixSource[] previous = [];
        IMatrix[] packed = _backend.PackStack(count, i =>
        {
            AfterPacking(what, previous);
            (MatrixSource[] sources, WeightFormat? format) = matrix(i);
            BeforePacking(what, format, sources);
            previous = sources;
            return (sources, format);
        });
        AfterPacking(what, previous);
        foreach (IMatrix item in packed)
        {
            PackedBytes += Own(item).Bytes;
        }
        return packed;
    }

    private void BeforePacking(string what, WeightFormat? format, ReadOnlySpan<MatrixSource> sources)
    {
        _cancellation.ThrowIfCancellationRequested();
        if (format?.WhyNot(sources[0].Columns) is string reason)
        {
            throw new ModelFormatException(_checkpoint.Folder, what.TrimEnd('.'), $"{reason} Load it as stored or in FP8.");
        }
    }

    private void AfterPacking(string what, ReadOnlySpan<MatrixSource> sources)
    {
        if (sources.IsEmpty)
        {
            return;
        }
        foreach (MatrixSource source in sources)
        {
            _done += (long)source.Rows * source.Columns * ((StridedMatrix)source).Type.Size();
        }
        _progress?.Report(new LoadProgress(_done, _checkpoint.TotalBytes, what.TrimEnd('.')));
    }

    /// <summary>Vectors one after another as a row [1, n].</summary>
    private Tensor Vector(params ReadOnlySpan<string> names)
    {
        List<float> values = [];
        foreach (string name in names)
        {
            values.AddRange(_checkpoint.Vector(name));
        }
        return Upload([.. values], 1, values.Count);
    }

    private Tensor Values(string name, int rows, int columns) => Upload(_checkpoint.Values(name), rows, columns);

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
