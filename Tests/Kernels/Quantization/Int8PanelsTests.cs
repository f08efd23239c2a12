using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Quantization;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Tests.Kernels.Quantization;

/// <summary>Numbers that become codes of eight bits, and the panels that hold such codes, read by their documented layout.</summary>
public sealed unsafe class Int8PanelsTests : IDisposable
{
    private const int Inner = 352;

    private readonly ThreadTeam _team = new(2);
    private readonly Random _random = new(23);
    private readonly PinnedArrays _pinned = new();

    public void Dispose()
    {
        _team.Dispose();
        _pinned.Dispose();
    }

    /// <summary>The definition: the half nearest to the largest magnitude / 127, then the nearest steps of it, ties to even.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(32)]
    [InlineData(75)]
    public void NumbersBecomeTheNearestStepsOfTheirScale(int rows)
    {
        float[] w = _pinned.Make(rows * Inner, _ => (float)((_random.NextDouble() - 0.5) * Math.Pow(2, _random.Next(-20, 12))));
        // Ties; zeros of both signs; too small for a half; beyond the largest; subnormal scales.
        w[0] = 127;
        for (int i = 1; i < 32; i++)
        {
            w[i] = (i - 16) * 0.5f;
        }
        w.AsSpan(32, 32).Fill(-0f);
        w.AsSpan(64, 32).Fill(1e-9f);
        w.AsSpan(96, 32).Fill(1e38f);
        w.AsSpan(128, 32).Fill(1e-4f);
        ushort[] bits = _pinned.Make(w.Length, i => Bf16.FromSingle(w[i % rows * Inner + i / rows]));
        (MatrixSource Numbers, int Rows)[] sources = [(MatrixSource.RowMajor(PinnedArrays.Address(w), ElementType.F32, rows, Inner), rows), (new StridedMatrix(PinnedArrays.Address(bits), ElementType.BF16, rows, Inner, 1, rows), rows)];
        using Int8Panels packed = Int8Panels.Pack([.. sources.Select(source => new QuantisedMatrix(source.Numbers))], _team);
        Assert.Equal((2 * rows, Inner, "q8_0", "panels32-int8", (2L * rows + 31) / 32 * 3 * 4352), (packed.Rows, packed.Columns, packed.Format.Name, packed.Layout, packed.Bytes));
        float[] values = new float[Inner], kept = new float[Inner];
        for (int r = 0; r < packed.Rows; r++)
        {
            (MatrixSource source, int row) = (sources[r / rows].Numbers, r % rows);
            source.ReadRow(row, values);
            new QuantisedMatrix(source).ReadRow(row, kept);
            for (int group = 0; group < Inner; group += 32)
            {
                float largest = values[group..(group + 32)].Max(Math.Abs), scale = (float)(Half)Math.Min(largest / 127, 65504);
                for (int c = group; c < group + 32; c++)
                {
                    int code = scale == 0 ? 0 : (int)Math.Clamp(Math.Round((double)(values[c] / scale)), -127, 127);
                    Assert.True((scale, code) == (Scale(packed, r, c), Code(packed, r, c)), $"row {r}, column {c}, {values[c]}: {Code(packed, r, c)} · {Scale(packed, r, c)} for {code} · {scale}");
                    Assert.Equal(code * scale, kept[c]);
                }
            }
        }
        // What only fills the last panel and the last block adds nothing.
        Assert.All(Enumerable.Range(packed.Rows, packed.Panels * 32 - packed.Rows), r => Assert.Equal(0, Scale(packed, r, 0)));
        Assert.All(Enumerable.Range(Inner, 32), c => Assert.Equal(0, Scale(packed, 0, c)));
    }

    [Fact]
    public void NotANumberStaysInItsGroup()
    {
        float[] w = _pinned.Make(Inner, _ => _random.NextSingle() - 0.5f);
        w[5] = float.NaN;
        w[70] = float.NegativeInfinity;
        using Int8Panels packed = Int8Panels.Pack([new QuantisedMatrix(MatrixSource.RowMajor(PinnedArrays.Address(w), ElementType.F32, 1, Inner))], _team);
        Assert.Equal((true, false, float.PositiveInfinity), (float.IsNaN(Scale(packed, 0, 0)), float.IsNaN(Scale(packed, 0, 32)), Scale(packed, 0, 64)));
    }

    /// <summary>Stored codes keep their bits, alone and between numbers.</summary>
    [Fact]
    public void StacksKeepStoredCodes()
    {
        using var stored = new RandomCodes("Q8_0", 50, Inner, 1);
        float[] w = _pinned.Make(20 * Inner, _ => _random.NextSingle() - 0.5f), values = stored.Values();
        using Int8Panels packed = Int8Panels.Pack([new QuantisedMatrix(MatrixSource.RowMajor(PinnedArrays.Address(w), ElementType.F32, 20, Inner)), stored.Matrix], _team);
        Assert.All(Enumerable.Range(0, values.Length), i => Assert.Equal(values[i], Code(packed, 20 + i / Inner, i % Inner) * Scale(packed, 20 + i / Inner, i % Inner)));
    }

    [Fact]
    public void WrongSourcesAndDisposedMatricesAreTypedErrors()
    {
        MatrixSource numbers = MatrixSource.RowMajor(PinnedArrays.Address(_pinned.Make(48, _ => 0f)), ElementType.F32, 1, 48);
        Assert.Contains("multiple of 32", Assert.Throws<ArgumentException>(() => new QuantisedMatrix(numbers)).Message);
        Assert.Throws<ArgumentException>(() => Int8Panels.Pack([], _team));
        using var other = new RandomCodes("Q4_0", 1, 32, 1);
        Assert.Contains("q4_0", Assert.Throws<ArgumentException>(() => Int8Panels.Pack([other.Matrix], _team)).Message);
        Int8Panels disposed = Int8Panels.Pack([new QuantisedMatrix(numbers with { Columns = 32 })], _team);
        disposed.Dispose();
        Assert.Throws<ObjectDisposedException>(() => { _ = disposed.Panel(0); });
    }

    private static int Code(Int8Panels w, int row, int column) => Run(w, row, column)[(column % 32 / 4 * 32 + row % 32) * 4 + column % 4] - 128;

    private static float Scale(Int8Panels w, int row, int column) => (float)BitConverter.UInt16BitsToHalf(((ushort*)(Run(w, row, column) + 1024))[row % 32]);

    private static byte* Run(Int8Panels w, int row, int column) => w.Panel(row / 32) + column / 32 * 1088;
}
