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
        new("ExpertFeedForward", "gather_scaled", "groups of a row bring it into the order of experts, times its score"),
        new("ExpertFeedForward", "scatter_add", "groups of a token add its experts' results, best first"),
    ];

    /// <summary>As <see cref="ExpertFeedForward.Run"/>, on a device: which expert has which rows is read there, the host never knows.</summary>
    /// <exception cref="ArgumentException">Shapes differ, the routing is another backend's or of another batch, or the experts are no stack.</exception>
    public static void Run(CudaQueue queue, CudaProducts products, ExpertScratch scratch, Tensor x, Routing routing, ReadOnlySpan<ExpertWeights> experts, Tensor output)
    {
        CudaRouting route = CudaRouting.Require(routing);
        int width = ExpertFeedForward.Check(MemoryPlace.Device, x, routing, experts, output);
        CheckStacks(experts);
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
            .Run(new(slots, KernelCall.Parts(slots, x.Columns, threads, queue.Kernels.Limits)), threads);
        Product(queue, products, scratch.Linear, rows, experts[0].GateUp, route, wide);
        SwiGluCuda.Run(queue, wide, gated);
        Product(queue, products, scratch.Linear, gated, experts[0].Down, route, rows);
        queue.Call("scatter_add").View(rows).View(route.InverseAddress, slots).View(output).Value(x.Columns).Value(route.TopK)
            .Run(new(x.Rows, KernelCall.Parts(x.Rows, x.Columns, threads, queue.Kernels.Limits)), threads);
    }

    /// <summary>The product with the stack that a matrix is of, or with the stacks of its parts.</summary>
    private static void Product(CudaQueue queue, CudaProducts products, LinearScratch scratch, Tensor x, IMatrix first, CudaRouting route, Tensor y)
    {
        if (first is not StackedMatrix stacked)
        {
            Product(queue, products, scratch.Rows, x, CudaMatrix.Require(first).Stack, route, y);
            return;
        }
        int column = 0;
        foreach (IMatrix part in stacked.Parts)
        {
            Tensor outputs = scratch.Part.Require(x.Rows, part.Rows);
            Product(queue, products, scratch.Rows, x, CudaMatrix.Require(part).Stack, route, outputs);
            MatMulCuda.Place(queue, outputs, y, column);
            column += part.Rows;
        }
    }

    private static void Product(CudaQueue queue, CudaProducts products, CudaScratch codes, Tensor x, CudaMatrixStack weights, CudaRouting route, Tensor y)
    {
        var gemm = new GemmDesc(x.Rows, weights.Rows, weights.Columns, weights.Format, products.Activations, weights.Count);
        products.Choose(gemm, weights.Layout).Launch(queue, codes, new ProductOperands(
            x, weights.Codes, weights.ScaleView, null, y, null, new(route.RowExpertAddress, x.Rows), new(route.StartAddress, weights.Count + 1), weights.Panels, weights.Format.QuantisesActivations));
    }

    /// <summary>Kernels reach an expert's weights by its number.</summary>
    /// <exception cref="ArgumentException">The experts are no stack.</exception>
    internal static void CheckStacks(ReadOnlySpan<ExpertWeights> experts)
    {
        CheckStacks(experts, static expert => expert.GateUp);
        CheckStacks(experts, static expert => expert.Down);
    }

    private static void CheckStacks(ReadOnlySpan<ExpertWeights> experts, Func<ExpertWeights, IMatrix> weight)
    {
        IMatrix first = weight(experts[0]);
        for (int i = 0; i < experts.Length; i++)
        {
            IMatrix own = weight(experts[i]);
            for (int part = 0; part < Parts(first); part++)
            {
                CudaMatrix matrix = Part(own, part);
                if (Parts(own) != Parts(first) || matrix.Stack != Part(first, part).Stack || matrix.Index != i || matrix.Stack.Count != experts.Length)
                {
                    throw new ArgumentException("The experts' matrices are not one stack in order; make them with PackStack.", nameof(experts));
                }
            }
        }
    }

    private static int Parts(IMatrix matrix) => matrix is StackedMatrix stacked ? stacked.Parts.Count : 1;

    private static CudaMatrix Part(IMatrix matrix, int index) =>
        CudaMatrix.Require(matrix is StackedMatrix stacked && index < stacked.Parts.Count ? stacked.Parts[index] : matrix);
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

    /// <summary>What the products need</summary>
    public LinearScratch Linear { get; } = new(queue);

    /// <summary>What lies between the kernels of a whole block.</summary>
    public CudaScratch Block { get; } = new(queue);

    /// <summary>Bytes for so many slots, without the codes.</summary>
    public static long Bytes(long slots, int hidden, int width) => slots * (hidden + 3L * width) * sizeof(float);

    public void Dispose()
    {
        Rows.Dispose();
        Wide.Dispose();
        Gated.Dispose();
        Linear.Dispose();
        Block.Dispose();
    }
}
