using System.Runtime.InteropServices;
using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;

namespace Llama4Kernels.Kernels.Sampling;

/// <summary>The column of each row's largest value, found on the device: parts of the row first, then the parts' largest.</summary>
internal static class ArgMaxCuda
{
    internal static readonly KernelOption[] Kernels =
        [new("TryArgMax", "top_k", "groups for parts of a row, then one for the parts' largest")];

    // Enough groups to read a row of logits with the whole device, each with some rounds to go.
    private const int PartColumns = 2048;
    private const int MaxParts = 64;

    /// <summary>As <see cref="ArgMax"/>; waits for the result.</summary>
    /// <exception cref="ArgumentException">The tensor is not float32 on the device, or there is not an id per row.</exception>
    public static void Run(CudaQueue queue, CudaScratch scratch, Tensor x, Span<int> ids)
    {
        ArgMax.Require(x, MemoryPlace.Device, ids);
        if (x.Rows == 0)
        {
            return;
        }
        int parts = Math.Clamp(x.Columns / PartColumns, 1, MaxParts);
        int candidates = x.Rows * parts;
        // Values and ids of the parts, then those of the rows, which are downloaded together.
        nint values = scratch.Require(2L * sizeof(float) * (candidates + x.Rows));
        nint partIds = values + candidates * sizeof(float);
        nint best = partIds + candidates * sizeof(int);
        nint bestIds = best + x.Rows * sizeof(float);
        queue.Call("top_k").View(x).View(0, 0).View(values, candidates).View(partIds, candidates).Value(x.Columns).Value(1)
            .Run(new CudaDim3(parts, x.Rows));
        queue.Call("top_k").View(values, candidates).View(partIds, candidates).View(best, x.Rows).View(bestIds, x.Rows).Value(parts).Value(1)
            .Run(new CudaDim3(1, x.Rows), KernelCall.ThreadsFor(parts));

        Span<float> result = queue.HostValues(2 * x.Rows).AsSpan(0, 2 * x.Rows);
        queue.Download(best, MemoryMarshal.AsBytes(result));
        for (int row = 0; row < x.Rows; row++)
        {
            // NaN comes first in the kernel's order, so that the first value tells of any.
            ids[row] = float.IsFinite(result[row]) ? BitConverter.SingleToInt32Bits(result[x.Rows + row]) : -1;
        }
    }
}
