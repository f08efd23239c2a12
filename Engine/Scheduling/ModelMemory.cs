using Llama4Kernels.Engine.Checkpoints;
using Llama4Kernels.Engine.Checkpoints.Weights;
using Llama4Kernels.Engine.Config;
using Llama4Kernels.Engine.KvCache;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Engine.Scheduling;

/// <summary>What a checkpoint would take of a backend's memory, known before its weights are read.</summary>
internal static class ModelMemory
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
        var matrices = new ModelMatrices(config, weights, options);
        // Experts of a layer are packed as one stack, and are alike.
        return sizes.Embedding(weights.Open(weights[WeightRole.Embedding]))
            + weights.Weights.Where(weight => !WeightStacks.IsPacked(weight) && weight.Role != WeightRole.Embedding).Sum(weight => (long)weight.Rows * weight.Columns * sizeof(float))
            + matrices.Firsts.Where(first => first.Expert <= 0).Select(matrices.Of)
                .Sum(matrix => Pack(matrix.ToPack(), matrix.First.Expert < 0 ? 1 : config.Text.Experts));

        long Pack((MatrixSource[] Sources, WeightFormat? Format) matrix, int count) => sizes.Pack(matrix.Sources, matrix.Format, count);
    }

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
