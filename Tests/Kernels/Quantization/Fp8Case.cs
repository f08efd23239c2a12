using System.Runtime.InteropServices;
using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Quantization;
using Llama4Kernels.Tests.Oracles;
using Llama4Kernels.Tests.PtxEmulator.Mutation;

namespace Llama4Kernels.Tests.Kernels.Quantization;

/// <summary>A product of FP8 weights on tensor cores with its operands, in the kernels' layouts and in float64.</summary>
internal sealed class Fp8Case
{
    private const byte NaN = 0x7F;

    private readonly int _outputs, _columns;
    private readonly float[]? _bias;
    private readonly int[]? _starts;

    /// <summary>Random operands: all codes that are numbers, a row of x that is zero, scales of both signs and a zero.</summary>
    /// <param name="rows">Rows of x.</param>
    /// <param name="outputs">Rows of weights, of an expert.</param>
    /// <param name="columns">Columns, a multiple of 128.</param>
    /// <param name="seed">Of the operands.</param>
    /// <param name="starts">First row of each expert and the number of rows; null for one matrix.</param>
    /// <param name="withBias">Whether one matrix has a bias.</param>
    public Fp8Case(int rows, int outputs, int columns, int seed, int[]? starts = null, bool withBias = false)
    {
        var random = new Random(seed);
        (_outputs, _columns, _starts) = (outputs, columns, starts);
        int experts = starts is null ? 1 : starts.Length - 1;
        Codes = [.. Enumerable.Range(0, experts * outputs * columns).Select(_ => (byte)(random.Next(NaN) | (random.Next(2) << 7)))];
        Scales = [.. Enumerable.Range(0, experts * outputs).Select(row => row % 7 == 5 ? 0 : (random.NextSingle() - 0.5f) / 64)];
        X = [.. Enumerable.Range(0, rows).Select(row => Enumerable.Range(0, columns).Select(_ => row % 5 == 3 ? 0 : MathF.ScaleB(random.NextSingle() - 0.25f, row % 4)).ToArray())];
        _bias = withBias && starts is null ? [.. Enumerable.Range(0, outputs).Select(_ => (20 * random.NextSingle()) - 10)] : null;
    }

    public float[][] X { get; }

    /// <summary>[experts · outputs, columns]</summary>
    public byte[] Codes { get; }

    /// <summary>[experts · outputs]</summary>
    public float[] Scales { get; }

    private int[] RowExperts => [.. Enumerable.Range(0, X.Length).Select(row => _starts is null ? 0 : Array.FindLastIndex(_starts, start => start <= row))];

    /// <summary>The launch that makes the operand, and the operand by the layout's own functions.</summary>
    public MutationLaunch Operand(bool quantises)
    {
        (byte[] values, float[] factors) = Made(quantises);
        List<object?> arguments = [new BufferArgument(0, X.Length * _columns), new BufferArgument(1, values.Length), new BufferArgument(2, X.Length), _columns];
        if (quantises)
        {
            arguments.Add(Quantiser.ActivationBound);
        }
        return new MutationLaunch(new CudaDim3(X.Length), new CudaDim3(Fp8OperandPtx.Threads), 32, arguments,
            [Same(X.SelectMany(row => row).ToArray()), new MutationBuffer(null, values, new Agreement(ElementFormat.F16, 0, 0, 0)), new MutationBuffer(null, Same(factors).Expected, Agreement.Exact)]);
    }

    /// <summary>The launch of the product for many rows.</summary>
    public MutationLaunch Launch(TensorTile tile, int spare = 0) =>
        Launch(tile.Extents(X.Length, _outputs, _starts is null ? 0 : _starts.Length - 1), spare, Fp8GemmPtx.SharedBytes(tile), withRowExperts: false);

    /// <summary>The launch of the product for few rows.</summary>
    public MutationLaunch Launch(VectorTile tile, int spare = 0) =>
        Launch(tile.Extents(X.Length, _outputs, _starts is not null), _starts is null ? spare : 0, tile.SharedBytes, withRowExperts: true);

    private (byte[] Values, float[] Factors) Made(bool quantises)
    {
        var values = new byte[X.Length * Fp8Operand.RowBytes(_columns)];
        var factors = new float[X.Length];
        for (int row = 0; row < X.Length; row++)
        {
            float largest = X[row].Where(value => !float.IsNaN(value)).Select(MathF.Abs).Max();
            factors[row] = quantises ? Quantiser.Fp8Scale(Math.Min(largest, Quantiser.ActivationBound)) : MathF.ScaleB(1, Exponent(largest) - Fp8Operand.LargestExponent);
            for (int column = 0; column < _columns; column++)
            {
                float x = X[row][column];
                float value = quantises ? Fp8.ToSingle(Fp8.FromSingle(x / factors[row])) : MathF.ScaleB(Bf16.Round(x), Fp8Operand.LargestExponent - Exponent(largest));
                int at = (int)(row * Fp8Operand.RowBytes(_columns)) + (column / Int4Tiles.GroupColumns * Fp8Operand.GroupBytes) + Fp8Operand.Place(column % Int4Tiles.GroupColumns);
                MemoryMarshal.Write(values.AsSpan(at), (Half)value);
            }
        }
        return (values, factors);
    }

    /// <summary>The power of two just above a magnitude, none below 2⁻¹¹¹.</summary>
    private static int Exponent(float largest) => Math.Max((int)(BitConverter.SingleToUInt32Bits(largest) >> 23), 15) - 126;

    private MutationLaunch Launch((CudaDim3 Grid, CudaDim3 Block) extents, int spare, int shared, bool withRowExperts)
    {
        float[] weights = [.. Codes.Select(code => (float)QuantizationOracle.Fp8Value(code))];
        float[] y = [.. RowExperts.SelectMany((expert, row) => Enumerable.Range(0, _outputs).Select(output => Expected(weights, expert, row, output)))];
        (byte[] values, float[] factors) = Made(quantises: false);
        List<MutationBuffer> buffers = [];
        List<object?> arguments = [];
        Add(Same(Codes), Codes.Length);
        Add(Same(Scales), Scales.Length);
        Add(Same(values), values.Length);
        Add(Same(factors), factors.Length);
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
        Add(new(null, Same(y).Expected, new Agreement(ElementFormat.F32, 1e-5, 2e-6, 0)), y.Length);
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

    private float Expected(float[] weights, int expert, int row, int output)
    {
        int of = (expert * _outputs) + output;
        double sum = 0;
        for (int column = 0; column < _columns; column++)
        {
            sum += (double)weights[(of * _columns) + column] * Bf16.Round(X[row][column]);
        }
        return (float)((sum * Scales[of]) + (_bias is null ? 0 : _bias[output]));
    }

    private static MutationBuffer Same<T>(T[] values)
        where T : unmanaged
    {
        byte[] bytes = MemoryMarshal.AsBytes(values.AsSpan()).ToArray();
        return new MutationBuffer(bytes, bytes, Agreement.Exact);
    }
}
