using Llama4Kernels.Engine.Config;

namespace Llama4Kernels.Engine.Checkpoints.Weights;

/// <summary>Which weights the model of a configuration has.</summary>
internal static class ModelWeights
{
    /// <summary>Lists them.</summary>
    /// <param name="config">The configuration; one without vision calls for no vision weights.</param>
    /// <param name="head">Whether the output head is a weight of its own.</param>
    public static IEnumerable<Weight> Of(ModelConfig config, bool head)
    {
        TextConfig text = config.Text;
        yield return Outside(WeightRole.Embedding, text.VocabSize, text.HiddenSize);
        if (head)
        {
            yield return Outside(WeightRole.OutputHead, text.VocabSize, text.HiddenSize);
        }
        yield return Outside(WeightRole.FinalNorm, 1, text.HiddenSize);
        foreach (Weight weight in Enumerable.Range(0, text.Layers).SelectMany(layer => TextLayer(text, layer)))
        {
            yield return weight;
        }
        foreach (Weight weight in config.Vision is { } vision ? Vision(vision, text.HiddenSize) : [])
        {
            yield return weight;
        }
    }

    private static IEnumerable<Weight> TextLayer(TextConfig text, int layer)
    {
        int hidden = text.HiddenSize, queries = text.Heads * text.HeadDim, keys = text.KvHeads * text.HeadDim;
        yield return In(WeightRole.AttentionNorm, 1, hidden);
        yield return In(WeightRole.Query, queries, hidden);
        yield return In(WeightRole.Key, keys, hidden);
        yield return In(WeightRole.Value, keys, hidden);
        yield return In(WeightRole.AttentionOutput, hidden, queries);
        if (text.AttentionBias)
        {
            yield return In(WeightRole.QueryBias, 1, queries);
            yield return In(WeightRole.KeyBias, 1, keys);
            yield return In(WeightRole.ValueBias, 1, keys);
            yield return In(WeightRole.AttentionOutputBias, 1, hidden);
        }
        yield return In(WeightRole.FeedForwardNorm, 1, hidden);
        if (!text.LayerKinds[layer].IsMoe)
        {
            yield return In(WeightRole.Gate, text.IntermediateSizeMlp, hidden);
            yield return In(WeightRole.Up, text.IntermediateSizeMlp, hidden);
            yield return In(WeightRole.Down, hidden, text.IntermediateSizeMlp);
            yield break;
        }
        int width = text.IntermediateSize;
        yield return In(WeightRole.Router, text.Experts, hidden);
        yield return In(WeightRole.SharedGate, width, hidden);
        yield return In(WeightRole.SharedUp, width, hidden);
        yield return In(WeightRole.SharedDown, hidden, width);
        for (int expert = 0; expert < text.Experts; expert++)
        {
            yield return new Weight(WeightRole.ExpertGate, layer, expert, width, hidden);
            yield return new Weight(WeightRole.ExpertUp, layer, expert, width, hidden);
            yield return new Weight(WeightRole.ExpertDown, layer, expert, hidden, width);
        }

        Weight In(WeightRole role, int rows, int columns) => new(role, layer, -1, rows, columns);
    }

    private static IEnumerable<Weight> Vision(VisionConfig vision, int textHidden)
    {
        int hidden = vision.HiddenSize;
        yield return Outside(WeightRole.PatchEmbedding, hidden, vision.Channels * vision.PatchSize * vision.PatchSize);
        yield return Outside(WeightRole.ClassEmbedding, 1, hidden);
        yield return Outside(WeightRole.Positions, vision.Patches + 1, hidden);
        yield return Outside(WeightRole.PreNorm, 1, hidden);
        yield return Outside(WeightRole.PreNormBias, 1, hidden);
        yield return Outside(WeightRole.PostNorm, 1, hidden);
        yield return Outside(WeightRole.PostNormBias, 1, hidden);
        foreach (int layer in Enumerable.Range(0, vision.Layers))
        {
            for (WeightRole role = WeightRole.VisionAttentionNorm; role <= WeightRole.VisionFc2Bias; role++)
            {
                var vector = new Weight(role, layer, -1, 1, role == WeightRole.VisionFc1Bias ? vision.IntermediateSize : hidden);
                yield return vector.IsVector ? vector : role switch
                {
                    WeightRole.VisionFc1 => vector with { Rows = vision.IntermediateSize },
                    WeightRole.VisionFc2 => vector with { Rows = hidden, Columns = vision.IntermediateSize },
                    _ => vector with { Rows = hidden },
                };
            }
        }
        yield return Outside(WeightRole.AdapterFc1, vision.ProjectorInputDim, vision.IntermediateSize);
        yield return Outside(WeightRole.AdapterFc2, vision.ProjectorOutputDim, vision.ProjectorOutputDim);
        yield return Outside(WeightRole.Projector, textHidden, vision.OutputDim);
    }

    private static Weight Outside(WeightRole role, int rows, int columns) => new(role, -1, -1, rows, columns);
}
