using System.Runtime.InteropServices;
using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Quantization;
using Llama4Kernels.Tests.Oracles;
using Llama4Kernels.Tests.PtxEmulator.Mutation;

namespace Llama4Kernels.Tests.Kernels.Quantization;

/// <summary>A product of int4 weights with its operands, in the kernels' layouts and for the oracle.</summary>
internal sealed class Int4Case
{
    private const int RowCountBuffer = 3;

    private readonly int _outputs, _columns;
    private readonly sbyte[][] _codes;
    private readonly float[][] _scales;
    private readonly int[] _rowExperts;
    private readonly float[] _bias;

    /// <summary>Random operands.</summary>
    /// <param name="rows">Rows of x.</param>
    /// <param name="outputs">Rows of an expert's weights.</param>
    /// <param name="columns">Columns, a multiple of 128.</param>
    /// <param name="seed">Of the operands.</param>
    /// <param name="starts">First row of each expert and the number of rows; null for one matrix.</param>
    /// <param name="withBias">One matrix has a bias.</param>
    /// <param name="scale">The scale of a group; null for random ones between e⁻⁴ and e⁻³.</param>
    public Int4Case(int rows, int outputs, int columns, int seed, int[]? starts = null, bool withBias = false, Func<int, float>? scale = null)
    {
        var random = new Random(seed);
        (Rows, _outputs, _columns, Starts) = (rows, outputs, columns, starts);
        int experts = starts is null ? 1 : starts.Length - 1, groups = columns / Int4Tiles.GroupColumns;
        _codes = [.. Enumerable.Range(0, experts * outputs).Select(_ => Enumerable.Range(0, columns).Select(_ => (sbyte)random.Next(-8, 8)).ToArray())];
        _scales = [.. Enumerable.Range(0, experts * outputs).Select(_ => Enumerable.Range(0, groups).Select(group => scale is null ? (float)Math.Exp(random.NextDouble() - 4) : scale(group)).ToArray())];
        // A bias, since the products are of 24 + code: what they take off again must not cost digits.
        X = [.. Enumerable.Range(0, rows).Select(_ => Enumerable.Range(0, columns).Select(_ => (float)(random.NextDouble() - 0.25)).ToArray())];
        _rowExperts = starts is null ? [] : [.. Enumerable.Range(0, rows).Select(row => Array.FindLastIndex(starts, start => start <= row))];
        _bias = withBias && starts is null ? [.. Enumerable.Range(0, outputs).Select(_ => (float)(20 * random.NextDouble()) - 10)] : [];
        int units = Int4Tiles.Units(outputs);
        Weights = new byte[experts * units * Int4Tiles.UnitCodeBytes(columns)];
        Scales = new float[experts * units * groups * Int4Tiles.UnitRows];
        for (int unit = 0; unit < experts * units; unit++)
        {
            int first = (unit / units * outputs) + (unit % units * Int4Tiles.UnitRows), count = Math.Min(Int4Tiles.UnitRows, outputs - (unit % units * Int4Tiles.UnitRows));
            Int4Tiles.Pack(
                [.. _codes.Skip(first).Take(count).SelectMany(Bytes)], [.. _scales.Skip(first).Take(count).SelectMany(one => one)], columns,
                Weights.AsSpan((int)(unit * Int4Tiles.UnitCodeBytes(columns)), (int)Int4Tiles.UnitCodeBytes(columns)),
                Scales.AsSpan(unit * groups * Int4Tiles.UnitRows, groups * Int4Tiles.UnitRows));
        }
    }

    public int Rows { get; }

    public int Outputs => _outputs;

    public int Columns => _columns;

    public int[]? Starts { get; }

    public float[][] X { get; }

    public byte[] Weights { get; }

    public float[] Scales { get; }

    /// <summary>The product in float64, with the magnitude of its terms.</summary>
    public (double Value, double Magnitude) Expected(int row, int output)
    {
        int of = (Starts is null ? 0 : _rowExperts[row] * _outputs) + output;
        (double value, double magnitude) = Int4MatVecOracle.Dot(_codes[of], _scales[of], X[row]);
        return _bias.Length == 0 ? (value, magnitude) : (value + _bias[output], magnitude + Math.Abs(_bias[output]));
    }

    /// <summary>The launch that rounds x, and the operand it must give by the layout's own functions.</summary>
    public MutationLaunch Rounding()
    {
        byte[] x = MemoryMarshal.AsBytes(X.SelectMany(row => row).ToArray().AsSpan()).ToArray();
        return new MutationLaunch(new CudaDim3((_columns + 511) / 512, Rows), new CudaDim3(Int4OperandPtx.Threads), 0,
            [new BufferArgument(0, x.Length / 4), new BufferArgument(1, null), _columns],
            [new MutationBuffer(x, x, Agreement.Exact), new MutationBuffer(null, OperandBytes.Of(X), Agreement.Exact)]);
    }

    /// <summary>The launch of the matrix-vector product.</summary>
    /// <param name="rowsAtOnce">Rows that the kernel takes at once.</param>
    /// <param name="spare">Slices of one matrix's rows that the grid has and x has not.</param>
    public MutationLaunch Product(int rowsAtOnce, int spare = 0)
    {
        int slices = Starts is null ? ((Rows + rowsAtOnce - 1) / rowsAtOnce) + spare : Rows;
        return Launch(new CudaDim3(Int4Tiles.Units(_outputs), slices), Int4MatVecPtx.Threads, Int4MatVecPtx.SharedBytes(rowsAtOnce), withRowExperts: true);
    }

    /// <summary>The launch of the product for many rows.</summary>
    /// <param name="tile">What a block computes.</param>
    /// <param name="spare">Tiles of rows that the grid has and x has not.</param>
    public MutationLaunch Tiled(TensorTile tile, int spare = 0) => Launch(
        new CudaDim3((_outputs + tile.Outputs - 1) / tile.Outputs, tile.TokenTiles(Rows, Starts is null ? 0 : Starts.Length - 1) + spare), tile.Threads, Int4GemmPtx.SharedBytes(tile), withRowExperts: false);

    private MutationLaunch Launch(CudaDim3 grid, int threads, int shared, bool withRowExperts)
    {
        byte[] operand = OperandBytes.Of(X);
        byte[] y = new byte[Rows * _outputs * sizeof(float)];
        for (int row = 0; row < Rows; row++)
        {
            for (int output = 0; output < _outputs; output++)
            {
                MemoryMarshal.Write(y.AsSpan(((row * _outputs) + output) * sizeof(float)), (float)Expected(row, output).Value);
            }
        }
        List<MutationBuffer> buffers = [];
        List<object?> arguments = [];
        void Add(MutationBuffer buffer, int elements)
        {
            arguments.Add(new BufferArgument(buffers.Count, elements));
            buffers.Add(buffer);
        }

        Add(Same(Weights), Weights.Length);
        Add(Same(Scales), Scales.Length);
        Add(Same(operand), operand.Length);
        if (Starts is null)
        {
            buffers.Add(Same<int>([Rows]));
            if (_bias.Length > 0)
            {
                Add(Same(_bias), _outputs);
            }
            else
            {
                // A view that is empty has no buffer.
                arguments.Add(null);
            }
        }
        else
        {
            if (withRowExperts)
            {
                Add(Same(_rowExperts), Rows);
            }
            Add(Same(Starts), Starts.Length);
        }
        Add(new MutationBuffer(null, y, new Agreement(ElementFormat.F32, 1e-5, 2e-6, 0)), Rows * _outputs);
        if (Starts is null)
        {
            arguments.Add(new BufferArgument(RowCountBuffer, 1));
        }
        arguments.AddRange([_outputs, _columns]);
        return new MutationLaunch(grid, new CudaDim3(threads), shared, arguments, buffers);
    }

    private static IEnumerable<byte> Bytes(sbyte[] codes) => codes.Chunk(2).Select(pair => (byte)((pair[0] & 15) | (pair[1] << 4)));

    private static MutationBuffer Same<T>(T[] values)
        where T : unmanaged
    {
        byte[] bytes = MemoryMarshal.AsBytes(values.AsSpan()).ToArray();
        return new MutationBuffer(bytes, bytes, Agreement.Exact);
    }
}
