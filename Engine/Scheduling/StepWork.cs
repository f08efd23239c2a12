using Llama4Kernels.Engine.Config;
using Llama4Kernels.Engine.KvCache;
using Llama4Kernels.Engine.Model;

namespace Llama4Kernels.Engine.Scheduling;

/// <summary>
/// How much there is to compute for rows of a step, in rows at the begin of a context. A row multiplies the weights of a token, and
/// in attention the keys and values that it sees: late in a long context it takes several times as long as an early one.
/// </summary>
internal sealed class StepWork
{
    private readonly double _ofChunkedKey, _ofFullKey;

    /// <param name="weights">The model's weights.</param>
    /// <param name="config">Its sizes.</param>
    /// <param name="layers">Which layers see only their chunk.</param>
    public StepWork(TextWeights weights, TextConfig config, CacheLayers layers)
    {
        double ofWeights = weights.Layers.SelectMany(layer => layer.MatricesPerToken(config.ExpertsPerToken)).Sum(matrix => (double)matrix.Rows * matrix.Columns);
        // Each head multiplies a key and a value.
        double ofKey = 2.0 * config.Heads * config.HeadDim / ofWeights;
        _ofChunkedKey = layers.Count(BlockKind.Chunked) * ofKey;
        _ofFullKey = layers.Count(BlockKind.Full) * ofKey;
    }

    /// <summary>The work of a sequence's next rows, which cross no chunk edge.</summary>
    public double Of(SequenceBlocks sequence, int rows)
    {
        double between = 0.5 * (rows - 1);
        return rows * (1 + _ofChunkedKey * (sequence.LocalPosition(BlockKind.Chunked) + between) + _ofFullKey * (sequence.Length + between));
    }

    /// <summary>How many of a sequence's next rows are done in so much work, the one that is begun last included; at least one.</summary>
    public int RowsWithin(double work, SequenceBlocks sequence, int most)
    {
        int rows = 1;
        while (rows < most && Of(sequence, rows) < work)
        {
            rows++;
        }
        return rows;
    }
}
