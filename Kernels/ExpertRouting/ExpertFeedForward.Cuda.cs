using Llama4Kernels.Kernels.Activation;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Quantization;

namespace Llama4Kernels.Kernels.ExpertRouting;

/// <summary><see cref="ExpertFeedForward"/> on a device.</summary>
internal static class ExpertFeedForwardCuda
{
    internal static readonly KernelOption[] Kernels =
    [
        KernelOption.Only("ExpertFeedForward", "gather_scaled", "a group per row brings it into the order of experts, times its score"),
        new("ExpertFeedForward", "expert_matvec_", "up to 16 rows of experts: a group per output of a row", static slots => slots <= MostVectorSlots),
        new("ExpertFeedForward", "expert_matmul_", "more: tiles of 64 × 64 results of one expert; groups beyond its rows end at once", static _ => true),
        KernelOption.Only("ExpertFeedForward", "scatter_add", "a group per token adds its experts' results, best first"),
    ];

    private const int MostVectorSlots = 16;

    private static readonly KernelOption[] Products = [Kernels[1], Kernels[2]];

    /// <summary>As <see cref="ExpertFeedForward.Run"/>, on a device: which expert has which rows is read there, the host never knows.</summary>
    /// <exception cref="ArgumentException">Shapes differ, the routing is another backend's or of another batch, or the experts are no stack.</exception>
    public static void Run(CudaQueue queue, ExpertScratch scratch, Tensor x, Routing routing, ReadOnlySpan<ExpertWeights> experts, Tensor output)
    {
        CudaRouting route = CudaRouting.Require(routing);
        int width = ExpertFeedForward.Check(x, routing, experts, output);
        CudaMatrixStack gateUp = StackOf(experts, static expert => expert.GateUp), down = StackOf(experts, static expert => expert.Down);
        int slots = route.Slots;
        if (slots == 0)
        {
            return;
        }
        Tensor rows = scratch.Rows.Require(slots, x.Columns);
        Tensor wide = scratch.Wide.Require(slots, 2 * width);
        Tensor gated = scratch.Gated.Require(slots, width);
        int threads = KernelCall.ThreadsFor(x.Columns);
        queue.Call("gather_scaled").View(x).View(route.OrderAddress, slots).View(route.ScoreAddress, slots).View(rows).Value(x.Columns).Value(route.TopK)
            .Run(new(slots), threads);
        Product(queue, scratch.Codes, rows, gateUp, route, wide);
        SwiGluCuda.Run(queue, wide, gated);
        Product(queue, scratch.Codes, gated, down, route, rows);
        queue.Call("scatter_add").View(rows).View(route.InverseAddress, slots).View(output).Value(x.Columns).Value(route.TopK)
            .Run(new(x.Rows), threads);
    }

    private static void Product(CudaQueue queue, CudaScratch codes, Tensor x, CudaMatrixStack weights, CudaRouting route, Tensor y)
    {
        if (weights.Layout == CudaLayout.Tiles)
        {
            Int4MatVecCuda.RunExperts(queue, codes, x, weights.Codes, weights.ScaleView, new(route.RowExpertAddress, x.Rows), new(route.StartAddress, weights.Count + 1), y);
            return;
        }
        KernelOption option = KernelOption.Choose(Products, x.Rows);
        bool isVector = option == Products[0];
        KernelCall call = MatMulCuda.Rows(queue, codes, option.Kernel + weights.Format.Name, x, weights)
            .View(weights.Codes).View(weights.ScaleView)
            .View(isVector ? route.RowExpertAddress : route.StartAddress, isVector ? x.Rows : weights.Count + 1).View(y).Value(weights.Rows).Value(weights.Columns);
        if (isVector)
        {
            call.Run(new(weights.Rows, x.Rows), MatMulCuda.ThreadsFor(weights.Columns));
        }
        else
        {
            call.Run(new(MatMulCuda.Tiles(weights.Rows), MatMulCuda.Tiles(x.Rows), weights.Count), new Interop.Cuda.CudaDim3(16, 16));
        }
    }

    private static CudaMatrixStack StackOf(ReadOnlySpan<ExpertWeights> experts, Func<ExpertWeights, IMatrix> part)
    {
        CudaMatrixStack stack = CudaMatrix.Require(part(experts[0])).Stack;
        for (int i = 0; i < experts.Length; i++)
        {
            CudaMatrix matrix = CudaMatrix.Require(part(experts[i]));
            if (matrix.Stack != stack || matrix.Index != i || stack.Count != experts.Length)
            {
                throw new ArgumentException("The experts' matrices are not one stack in order; make them with PackStack.", nameof(experts));
            }
        }
        return stack;
    }
}

/// <summary>What lies between the experts' products.</summary>
internal sealed class ExpertScratch(CudaQueue queue) : IDisposable
{
    /// <summary>[slots, D] rows in the order of experts, later their results</summary>
    public CudaScratch Rows { get; } = new(queue);

    /// <summary>[slots, 2F]</summary>
    public CudaScratch Wide { get; } = new(queue);

    /// <summary>[slots, F]</summary>
    public CudaScratch Gated { get; } = new(queue);

    /// <summary>Quantised rows</summary>
    public CudaScratch Codes { get; } = new(queue);

    public void Dispose()
    {
        Rows.Dispose();
        Wide.Dispose();
        Gated.Dispose();
        Codes.Dispose();
    }
}
