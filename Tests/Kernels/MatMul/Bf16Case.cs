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
    private readonly int[]? _starts;

    /// <summary>Random operands.</summary>
    /// <param name="rows">Rows of x.</param>
    /// <param name="outputs">Rows of weights, of an expert.</param>
    /// <param name="columns">Columns, a multiple of 128.</param>
    /// <param name="seed">Of the operands.</param>
    /// <param name="starts">First row of each expert and the number of rows; null for one matrix.</param>
    /// <param name="withBias">Whether one matrix has a bias.</param>
    public Bf16Case(int rows, int outputs, int columns, int seed, int[]? starts = null, bool withBias = false)
    {
        var random = new Random(seed);
        (_outputs, _columns, _starts) = (outputs, columns, starts);
        int experts = starts is null ? 1 : starts.Length - 1;
        _weights = [.. Enumerable.Range(0, experts * outputs * columns).Select(_ => Bf16.ToSingle(Bf16.FromSingle(random.NextSingle() - 0.5f)))];
        X = [.. Enumerable.Range(0, rows).Select(_ => Enumerable.Range(0, columns).Select(_ => random.NextSingle() - 0.25f).ToArray())];
        _bias = withBias && starts is null ? [.. Enumerable.Range(0, outputs).Select(_ => (20 * random.NextSingle()) - 10)] : null;
    }

    public float[][] X { get; }

    private int[] RowExperts => [.. Enumerable.Range(0, X.Length).Select(row => _starts is null ? 0 : Array.FindLastIndex(_starts, start => start <= row))];

    /// <summary>The launch of the product for many rows.</summary>
    /// <param name="tile">What a block computes.</param>
    /// <param name="spare">Tiles of rows that the grid has and x has not.</param>
    public MutationLaunch Launch(TensorTile tile, int spare = 0) =>
        Launch(tile.Extents(X.Length, _outputs, _starts is null ? 0 : _starts.Length - 1), spare, Bf16GemmPtx.SharedBytes(tile), withRowExperts: false);

    /// <summary>The launch of the product for few rows.</summary>
    /// <param name="tile">What a block computes.</param>
    /// <param name="spare">Slices of one matrix's rows that the grid has and x has not.</param>
    public MutationLaunch Launch(VectorTile tile, int spare = 0) =>
        Launch(tile.Extents(X.Length, _outputs, _starts is not null), _starts is null ? spare : 0, tile.SharedBytes, withRowExperts: true);

    private MutationLaunch Launch((CudaDim3 Grid, CudaDim3 Block) extents, int spare, int shared, bool withRowExperts)
    {
        float[] y = [.. RowExperts.SelectMany((expert, row) =>
            MatMulOracle.Run(X[row], _weights[(expert * _outputs * _columns)..((expert + 1) * _outputs * _columns)], _bias, 1, _outputs, _columns, roundX: true).Y.Select(value => (float)value))];
        byte[] operand = OperandBytes.Of(X);
        List<MutationBuffer> buffers = [];
        List<object?> arguments = [];
        Add(Same(Array.ConvertAll(_weights, Bf16.FromSingle)), _weights.Length);
        Add(Same(operand), operand.Length);
        int counts = -1;
        if (_starts is int[] starts)
        {
            if (withRowExperts)
            {
                Add(Same(RowExperts), X.Length);
            }
            Add(Same(starts), starts.Length);
        }
        else
        {
            counts = buffers.Count;
            buffers.Add(Same<int>([X.Length]));
            // A view that is empty has no buffer.
            if (_bias is null)
            {
                arguments.Add(null);
            }
            else
            {
                Add(Same(_bias), _outputs);
            }
        }
        // y is the last.
        Add(new(null, MemoryMarshal.AsBytes(y.AsSpan()).ToArray(), new Agreement(ElementFormat.F32, 1e-5, 2e-6, 0)), y.Length);
        if (counts >= 0)
        {
            arguments.Add(new BufferArgument(counts, 1));
        }
        arguments.AddRange([_outputs, _columns]);
        return new MutationLaunch(new CudaDim3(extents.Grid.X, extents.Grid.Y + spare), extents.Block, shared, arguments, buffers);

        void Add(MutationBuffer buffer, int elements)
        {
            arguments.Add(new BufferArgument(buffers.Count, elements));
            buffers.Add(buffer);
        }
    }

    private static MutationBuffer Same<T>(T[] values)
        where T : unmanaged
    {
        byte[] bytes = MemoryMarshal.AsBytes(values.AsSpan()).ToArray();
        return new MutationBuffer(bytes, bytes, Agreement.Exact);
    }
}
