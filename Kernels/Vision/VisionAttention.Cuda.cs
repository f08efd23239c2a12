using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;

namespace Llama4Kernels.Kernels.Vision;

/// <summary><see cref="VisionAttention"/> on a device.</summary>
internal static unsafe class VisionAttentionCuda
{
    internal static readonly KernelOption[] Kernels =
    [
        new("VisionAttention", "rotate_pairs", "a group per row and head of q and k"),
        new("VisionAttention", "vision_attention", "a group per eight rows of a head"),
    ];

    private const int Octet = 8;
    private const int LargestHead = 256;

    /// <summary>As <see cref="VisionAttention.Run"/>, on a device.</summary>
    /// <exception cref="ArgumentException">Shapes differ or the head size is odd.</exception>
    public static void Run(CudaQueue queue, Tensor qkv, int tiles, int heads, Tensor angles, Tensor output)
    {
        VisionAttention.Check(MemoryPlace.Device, qkv, tiles, heads, angles, output);
        ShapeCheck.Require(angles.Columns <= LargestHead, "Heads have more than 256 elements.", nameof(angles));
        int tokens = angles.Rows, dim = angles.Columns;
        queue.Call("rotate_pairs").View(qkv).View(angles).Value(tokens).Value(qkv.Columns).Value(dim).Run(new(qkv.Rows, 2 * heads), KernelCall.ThreadsFor(dim));
        queue.Call("vision_attention").View(qkv).View(output).Value(tokens).Value(heads).Value(dim)
            .Run(new((tokens + Octet - 1) / Octet, heads, tiles), Math.Max(KernelCall.Threads, KernelCall.ThreadsFor(dim)));
    }
}
