using Llama4Kernels.Kernels.Activation;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.Kernels.MatMul;

namespace Llama4Kernels.Kernels.ExpertRouting;

/// <summary><see cref="ExpertFeedForward"/> on a device.</summary>
internal static class ExpertFeedForwardCuda
{
    internal static readonly KernelOption[] Kernels =
    [
        new("ExpertFeedForward", "gather_scaled", "a group per row brings it into the order of experts, times its score"),
        new("ExpertFeedForward", "scatter_add", "a group per token adds its experts' results, best first"),
    ];

    /// <summary>As <see cref="ExpertFeedForward.Run"/>, on a device: which expert has which rows is read there, the host never knows.</summary>
    /// <exception cref="ArgumentException">Shapes differ, the routing is another backend's or of another batch, or the experts are no stack.</exception>
    public static void Run(CudaQueue queue, CudaProducts products, ExpertScratch scratch, Tensor x, Routing routing, ReadOnlySpan<ExpertWeights> experts, Tensor output)
    {
        CudaRouting route = CudaRouting.Require(routing);
        int width = ExpertFeedForward.Check(MemoryPlace.Device, x, routing, experts, output);
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
        Product(queue, products, scratch.Codes, rows, gateUp, route, wide);
        SwiGluCuda.Run(queue, wide, gated);
        Product(queue, products, scratch.Codes, gated, down, route, rows);
        queue.Call("scatter_add").View(rows).View(route.InverseAddress, slots).View(output).Value(x.Columns).Value(route.TopK)
            .Run(new(x.Rows), threads);
    }

    private static void Product(CudaQueue queue, CudaProducts products, CudaScratch codes, Tensor x, CudaMatrixStack weights, CudaRouting route, Tensor y)
    {
        var gemm = new GemmDesc(x.Rows, weights.Rows, weights.Columns, weights.Format, products.Activations, weights.Count);
        products.Choose(gemm, weights.Layout).Launch(queue, codes, new ProductOperands(
            x, weights.Codes, weights.ScaleView, null, y, new(route.RowExpertAddress, x.Rows), new(route.StartAddress, weights.Count + 1)));
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

    /// <summary>Bytes for so many slots, without the codes.</summary>
    public static long Bytes(long slots, int hidden, int width) => slots * (hidden + 3L * width) * sizeof(float);

    public void Dispose()
    {
        Rows.Dispose();
        Wide.Dispose();
        Gated.Dispose();
        Codes.Dispose();
    }
}
