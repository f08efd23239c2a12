using Llama4Kernels.Engine.Checkpoints;
using Llama4Kernels.Engine.Checkpoints.Weights;
using Llama4Kernels.Engine.Config;
using Llama4Kernels.Engine.KvCache;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Engine.Scheduling;

/// <summary>What a checkpoint would take of a backend's memory, known before its weights are read.</summary>
public static class ModelMemory
{
    /// <summary>Tokens that a cache is counted for where nobody says how many.</summary>
    public const int UsualContext = 8192;

    /// <summary>Opens a checkpoint's headers and measures.</summary>
    /// <param name="path">As for <see cref="Llama4Model.Load"/>.</param>
    /// <param name="options">How it would be loaded.</param>
    /// <param name="sizes">The backend's sizes.</param>
    /// <param name="context">Tokens of the one sequence that there shall be room for.</param>
    /// <exception cref="ModelFormatException">A file is malformed or does not fit the configuration.</exception>
    public static MemoryNeed Measure(string path, ModelOptions options, IBackendSizes sizes, int context = UsualContext)
    {
        ArgumentNullException.ThrowIfNull(options);
        using Checkpoint checkpoint = Checkpoint.Open(path, options.LoadVision, options.Projector);
        return Measure(checkpoint.Config, checkpoint.Weights, options, sizes, context);
    }

    internal static MemoryNeed Measure(ModelConfig config, WeightCatalogue weights, ModelOptions options, IBackendSizes sizes, int context)
    {
        TextConfig c = config.Text;
        context = Math.Min(context, c.MaxPositions);
        return new MemoryNeed(Weights(config, weights, options, sizes), StepBytes(config, sizes, context), CacheBytes(c, options, sizes, context), context);
    }

    private static long Weights(ModelConfig config, WeightCatalogue weights, ModelOptions options, IBackendSizes sizes)
    {
        TextConfig c = config.Text;
        MatrixSource embedding = weights.Open(weights[WeightRole.Embedding]);
        long bytes = sizes.Embedding(embedding)
            + PackAs([config.TieWordEmbeddings ? embedding : weights.Open(weights[WeightRole.OutputHead])], options.FormatOf(LinearParts.Head), 1)
            + weights.Weights.Where(weight => weight.IsVector || weight.Role == WeightRole.Positions).Sum(weight => (long)weight.Rows * weight.Columns * sizeof(float));
        for (int layer = 0; layer < c.Layers; layer++)
        {
            bool isMoe = c.LayerKinds[layer].IsMoe;
            foreach (WeightRole[] block in s_attention)
            {
                bytes += PackAs(Open(layer, -1, block), options.FormatOf(LinearParts.Attention), 1);
            }
            foreach (WeightRole[] block in isMoe ? s_shared : s_dense)
            {
                bytes += PackAs(Open(layer, -1, block), options.FeedForward(isMoe), 1);
            }
            if (!isMoe)
            {
                continue;
            }
            bytes += Pack(layer, WeightRole.Router);
            foreach (WeightRole[] block in s_experts)
            {
                MatrixSource[] sources = Open(layer, 0, block);
                bytes += PackAs(sources, options.Expert(c, layer, sources), c.Experts);
            }
        }
        if (config.Vision is VisionConfig vision)
        {
            WeightRole[] outside = [WeightRole.PatchEmbedding, WeightRole.AdapterFc1, WeightRole.AdapterFc2, WeightRole.Projector];
            bytes += outside.Sum(role => Pack(-1, role));
            bytes += Enumerable.Range(0, vision.Layers).Sum(layer => s_vision.Sum(block => Pack(layer, block)));
        }
        return bytes;

        MatrixSource[] Open(int layer, int expert, params WeightRole[] roles) => [.. roles.Select(role => weights.Open(weights[role, layer, expert]))];

        long Pack(int layer, params WeightRole[] roles) => PackAs(Open(layer, -1, roles), null, 1);

        long PackAs(MatrixSource[] sources, WeightFormat? format, int count)
        {
            (sources, format) = SchemeFormats.ToPack(sources, format);
            return sizes.Pack(sources, format, count);
        }
    }

    // What is packed together.
    private static readonly WeightRole[][] s_attention = [[WeightRole.Query, WeightRole.Key, WeightRole.Value], [WeightRole.AttentionOutput]];
    private static readonly WeightRole[][] s_dense = [[WeightRole.Gate, WeightRole.Up], [WeightRole.Down]];
    private static readonly WeightRole[][] s_shared = [[WeightRole.SharedGate, WeightRole.SharedUp], [WeightRole.SharedDown]];
    private static readonly WeightRole[][] s_experts = [[WeightRole.ExpertGate, WeightRole.ExpertUp], [WeightRole.ExpertDown]];
    private static readonly WeightRole[][] s_vision =
        [[WeightRole.VisionQuery, WeightRole.VisionKey, WeightRole.VisionValue], [WeightRole.VisionOutput], [WeightRole.VisionFc1], [WeightRole.VisionFc2]];

    private static long StepBytes(ModelConfig config, IBackendSizes sizes, int context)
    {
        TextConfig c = config.Text;
        (int rows, int logitRows) = StepRunner.RowsOf(new EngineOptions { MaxContext = context }, sizes.Steps, context);
        var attention = new AttentionShape(c.Heads, c.KvHeads, c.HeadDim);
        int widest = new[] { c.HiddenSize, attention.QueryColumns }.Concat(c.LayerKinds.Select(layer => layer.IsMoe ? c.IntermediateSize : c.IntermediateSizeMlp)).Max();
        bool hasExperts = c.LayerKinds.Any(layer => layer.IsMoe);
        // Each sequence writes to a block of its own: no more are decoded together than the cache has blocks.
        int blockTokens = new CacheLayers(c).BlockTokens(new EngineOptions().BlockTokens);
        int decodeRows = Math.Min(logitRows, sizes.Steps.Padded((context + blockTokens - 1) / blockTokens));
        var step = new StepShape(rows, decodeRows, c.HiddenSize, hasExperts ? c.IntermediateSize : 0, hasExperts ? c.ExpertsPerToken : 0, widest, attention, c.VocabSize);
        return TextActivations.Bytes(c, rows, logitRows) + sizes.Scratch(step)
            + (config.Vision is VisionConfig vision ? VisionModel.ActivationBytes(vision, c.HiddenSize) : 0);
    }

    private static long CacheBytes(TextConfig c, ModelOptions options, IBackendSizes sizes, int context)
    {
        var defaults = new EngineOptions();
        return BlockPool.BytesFor(c, sizes.LayoutOf, StepRunner.FormatOf(options, defaults), defaults.BlockTokens, context);
    }
}
