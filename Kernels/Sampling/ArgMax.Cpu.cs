using System.Numerics.Tensors;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Threading;
using Tensor = Llama4Kernels.Kernels.Contracts.Tensor;

namespace Llama4Kernels.Kernels.Sampling;

internal static unsafe partial class ArgMax
{
    /// <summary>Columns worth handing out: 32 KiB.</summary>
    private const int PartColumns = 8192;

    /// <summary>Parts whose maxima lie on the stack.</summary>
    private const int MaxParts = 256;

    private static void RunCpu(ThreadTeam team, Tensor x, Span<int> ids)
    {
        int parts = Math.Clamp((int)(((long)x.Columns + PartColumns - 1) / PartColumns), 1, MaxParts);
        float* maxima = stackalloc float[parts];
        for (int row = 0; row < x.Rows; row++)
        {
            float* values = x.Pointer + (long)row * x.Columns;
            team.Run(parts, new PartJob(values, x.Columns, parts, maxima));
            // NaN is the largest of all to TensorPrimitives.
            float largest = TensorPrimitives.Max(new ReadOnlySpan<float>(maxima, parts));
            ids[row] = float.IsFinite(largest) ? new ReadOnlySpan<float>(values, x.Columns).IndexOf(largest) : -1;
        }
    }

    /// <summary>One item: the maximum of a part of a row, NaN if it has one.</summary>
    private readonly struct PartJob(float* row, int columns, int parts, float* maxima) : ITeamJob
    {
        public void Execute(int item, int worker)
        {
            int begin = (int)((long)columns * item / parts), end = (int)((long)columns * (item + 1) / parts);
            maxima[item] = begin == end ? float.NegativeInfinity : TensorPrimitives.Max(new ReadOnlySpan<float>(row + begin, end - begin));
        }
    }
}
