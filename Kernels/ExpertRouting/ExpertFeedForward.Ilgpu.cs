using ILGPU;

namespace Llama4Kernels.Kernels.ExpertRouting;

/// <summary>What surrounds the experts' products on the device: rows into expert order and back.</summary>
public static class ExpertFeedForwardIlgpu
{
    /// <summary>Group (sorted row, part of the columns): output[row] = score of its slot · x[its token]. x [T, columns], output [slots, columns].</summary>
    public static void Gather(ArrayView<float> x, ArrayView<int> order, ArrayView<float> scores, ArrayView<float> output, int columns, int topK)
    {
        int slot = order[Grid.IdxX];
        float score = scores[slot];
        long from = (long)(slot / topK) * columns;
        long to = (long)Grid.IdxX * columns;
        for (int c = Grid.IdxY * Group.DimX + Group.IdxX; c < columns; c += Group.DimX * Grid.DimY)
        {
            output[to + c] = x[from + c] * score;
        }
    }

    /// <summary>Group (token, part of the columns): output[token] += the results of its slots, best expert first. results [slots, columns].</summary>
    public static void Scatter(ArrayView<float> results, ArrayView<int> inverse, ArrayView<float> output, int columns, int topK)
    {
        long token = Grid.IdxX;
        for (int c = Grid.IdxY * Group.DimX + Group.IdxX; c < columns; c += Group.DimX * Grid.DimY)
        {
            float sum = output[token * columns + c];
            for (int choice = 0; choice < topK; choice++)
            {
                sum += results[(long)inverse[token * topK + choice] * columns + c];
            }
            output[token * columns + c] = sum;
        }
    }
}
