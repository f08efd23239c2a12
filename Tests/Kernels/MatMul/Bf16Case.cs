using System.Runtime.InteropServices;
using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Tests.Kernels.Quantization;
using Llama4Kernels.Tests.Oracles;
using Llama4Kernels.Tests.PtxEmulator.Mutation;

namespace Llama4Kernels.Tests.Kernels.MatMul;

/// <summary>A product of bfloat16 weights on tensor cores with its operands, in the kernels' layouts and in float64.</summary>
internal sealed class Bf16Case
{
    private readonly int _outputs, _columns;
    private readonly float[] _weights;
    private readonly float[]? _bias;

    /// <summary>Random operands.</summary>
    /// <param name="rows">Rows of x.</param>
    /// <param name="outputs">Rows of weights.</param>
    /// <param name="columns">Columns, a multiple of 128.</param>
    /// <param name="seed">Of the operands.</param>
    /// <param name="withBias">Whether there is a bias.</param>
    public Bf16Case(int rows, int outputs, int columns, int seed, bool withBias = false)
    {
        var random = new Random(seed);
        (_outputs, _columns) = (outputs, columns);
        _weights = [.. Enumerable.Range(0, outputs * columns).Select(_ => Bf16.ToSingle(Bf16.FromSingle(random.NextSingle() - 0.5f)))];
        X = [.. Enumerable.Range(0, rows).Select(_ => Enumerable.Range(0, columns).Select(_ => random.NextSingle() - 0.25f).ToArray())];
        _bias = withBias ? [.. Enumerable.Range(0, outputs).Select(_ => (20 * random.NextSingle()) - 10)] : null;
    }

    public float[][] X { get; }

    /// <summary>The launch of the product.</summary>
    /// <param name="tile">What a block computes.</param>
    /// <param name="spare">Tiles of rows that the grid has and x has not.</param>
    public MutationLaunch Launch(TensorTile tile, int spare = 0)
    {
        (double[] expected, _) = MatMulOracle.Run([.. X.SelectMany(row => row)], _weights, _bias, X.Length, _outputs, _columns, roundX: true);
        byte[] y = MemoryMarshal.AsBytes(Array.ConvertAll(expected, value => (float)value).AsSpan()).ToArray(), operand = OperandBytes.Of(X);
        // y is the last; a view that is empty has no buffer.
        List<MutationBuffer> buffers = [Same(Array.ConvertAll(_weights, Bf16.FromSingle)), Same(operand), Same<int>([X.Length])];
        if (_bias is not null)
        {
            buffers.Add(Same(_bias));
        }
        buffers.Add(new(null, y, new Agreement(ElementFormat.F32, 1e-5, 2e-6, 0)));
        (CudaDim3 grid, CudaDim3 block) = tile.Extents(X.Length, _outputs, experts: 0);
        return new MutationLaunch(new CudaDim3(grid.X, grid.Y + spare), block, Bf16GemmPtx.SharedBytes(tile),
            [new BufferArgument(0, _weights.Length), new BufferArgument(1, operand.Length), _bias is null ? null : new BufferArgument(3, _outputs), new BufferArgument(buffers.Count - 1, y.Length / sizeof(float)), new BufferArgument(2, 1), _outputs, _columns], buffers);
    }

    private static MutationBuffer Same<T>(T[] values)
        where T : unmanaged
    {
        byte[] bytes = MemoryMarshal.AsBytes(values.AsSpan()).ToArray();
        return new MutationBuffer(bytes, bytes, Agreement.Exact);
    }
}
