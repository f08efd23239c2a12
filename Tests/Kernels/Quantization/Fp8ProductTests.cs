using System.Runtime.InteropServices;
using Llama4Kernels.Kernels.Backends.Cuda;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Ptx;
using Llama4Kernels.Kernels.Quantization;
using Llama4Kernels.PtxEmulator.Counting;
using Llama4Kernels.PtxEmulator.Execution;
using Llama4Kernels.PtxEmulator.Parsing;
using Llama4Kernels.Tests.PtxEmulator.Mutation;

namespace Llama4Kernels.Tests.Kernels.Quantization;

/// <summary>The products of FP8 weights on tensor cores against float64, with copies that land early and late and warps in any order: codes decoded by moving bits (sm_80) and by conversion (sm_90).</summary>
public class Fp8ProductTests
{
    /// <summary>Outputs around a block's 32; steps fewer than warps, fewer than the rings hold, and several rings; rows of one slice and more.</summary>
    [Theory]
    [InlineData(1, 1, 128)]
    [InlineData(1, 33, 640)]
    [InlineData(1, 40, 5120)]
    [InlineData(2, 31, 256)]
    [InlineData(7, 48, 1152)]
    [InlineData(8, 16, 2432)]
    [InlineData(9, 17, 384)]
    [InlineData(16, 40, 2560)]
    [InlineData(37, 33, 128)]
    public void FewRows(int rows, int outputs, int columns)
    {
        VectorTile tile = Fp8MatVecPtx.Tiles.FirstOrDefault(tile => tile.Rows >= rows) ?? Fp8MatVecPtx.Tiles[^1];
        // A grid for more rows than there are, as that of a graph may be; a bias beside every other shape.
        Check(Fp8MatVecPtx.Name(tile, experts: false), new Fp8Case(rows, outputs, columns, seed: rows + outputs, withBias: rows % 2 == 0 || outputs > 30).Launch(tile, spare: rows % 3));
    }

    /// <summary>Outputs and rows around a warp's and a block's tile; columns from fewer than the ring holds to more.</summary>
    [Theory]
    [InlineData(64, 1, 1, 128)]
    [InlineData(64, 17, 33, 256)]
    [InlineData(64, 66, 130, 640)]
    [InlineData(128, 1, 1, 128)]
    [InlineData(128, 33, 65, 256)]
    [InlineData(128, 130, 70, 640)]
    public void ManyRows(int tokens, int rows, int outputs, int columns) =>
        Check(Fp8GemmPtx.Name(Of(tokens), experts: false), new Fp8Case(rows, outputs, columns, seed: rows + outputs, withBias: rows % 2 == 0).Launch(Of(tokens), spare: rows % 3));

    /// <summary>Experts without rows, with one, with as many as a slice or tile and more.</summary>
    [Theory]
    [InlineData(1, new[] { 0, 0, 0, 1 }, 33)]
    [InlineData(8, new[] { 0, 0, 3, 3, 4, 8 }, 33)]
    [InlineData(8, new[] { 0, 11, 12, 12, 13 }, 31)]
    [InlineData(16, new[] { 0, 19, 20, 40 }, 65)]
    [InlineData(64, new[] { 0, 0, 3, 3, 4, 70 }, 33)]
    [InlineData(128, new[] { 0, 130, 130, 131 }, 40)]
    public void Experts(int atOnce, int[] starts, int outputs)
    {
        var subject = new Fp8Case(starts[^1], outputs, atOnce <= 16 ? 640 : 256, seed: atOnce + outputs, starts);
        (string name, MutationLaunch launch) = Launch(subject, atOnce, experts: true);
        Check(name, launch);
    }

    /// <summary>Turns of warps and blocks in twenty orders, copies that land as late or as early as they may: no finding, and the same bits.</summary>
    [Theory]
    [InlineData(1, false)]
    [InlineData(8, true)]
    [InlineData(16, false)]
    [InlineData(64, true)]
    [InlineData(128, false)]
    public void TwentyOrdersOfTurnsGiveTheSameBits(int atOnce, bool experts)
    {
        int rows = Math.Min(atOnce, 40);
        (string name, MutationLaunch launch) = Launch(new Fp8Case(rows, 33, 1152, seed: 5, experts ? [0, (rows + 1) / 2, rows] : null), atOnce, experts);
        launch.CheckOrders(Parsed(name, 90), name, orders: 20, results: 1);
    }

    /// <summary>
    /// A code that is no number makes its output's results none in every row, whatever x is, and no other output's; what is no number or infinite in x makes its row's none, and no
    /// other row's.
    /// </summary>
    [Theory]
    [InlineData(1, float.NaN)]
    [InlineData(8, float.NegativeInfinity)]
    [InlineData(16, float.NaN)]
    [InlineData(64, float.PositiveInfinity)]
    [InlineData(128, float.NaN)]
    public void WhatIsNoNumberStaysInItsRowAndOutput(int atOnce, float value)
    {
        const int Outputs = 20;
        int rows = Math.Min(atOnce, 3);
        foreach (int sm in (int[])[80, 90])
        {
            var subject = new Fp8Case(rows, Outputs, 256, seed: 1);
            Array.Fill(subject.Scales, 0.01f);
            float[] expected = MemoryMarshal.Cast<byte, float>(Launch(subject, atOnce, experts: false).Launch.Buffers[^1].Expected).ToArray();
            for (int byteOfWord = 0; byteOfWord < 4; byteOfWord++)
            {
                // Each place of a word, either sign, the rows g and g + 8, near neighbours that are numbers.
                subject.Codes[((4 * byteOfWord) * 256) + 100 + byteOfWord] = (byte)(byteOfWord % 2 == 0 ? 0x7F : 0xFF);
            }
            if (rows > 1)
            {
                subject.X[1][130] = value;
            }
            (string name, MutationLaunch launch) = Launch(subject, atOnce, experts: false);
            launch.Run(Parsed(name, sm), name, MutationLaunch.InTurn, out byte[][] results);
            float[] y = MemoryMarshal.Cast<byte, float>(results[^1]).ToArray();
            double range = expected.Max(Math.Abs);
            for (int i = 0; i < y.Length; i++)
            {
                (int row, int output) = (i / Outputs, i % Outputs);
                bool isNumber = row != 1 && output is not (0 or 4 or 8 or 12);
                Assert.True(isNumber ? Math.Abs(y[i] - expected[i]) < 1e-5 * range : output is 0 or 4 or 8 or 12 ? float.IsNaN(y[i]) : !float.IsFinite(y[i]), $"sm_{sm}, element {i}: {y[i]}, expected {expected[i]}");
            }
        }
    }

    /// <summary>Every code is worth what it stands for, times one, in both ways of decoding.</summary>
    [Fact]
    public void EveryCodeIsExact()
    {
        VectorTile tile = Fp8MatVecPtx.Tiles[0];
        var subject = new Fp8Case(1, 256, 128, seed: 1);
        Array.Clear(subject.X[0]);
        Array.Fill(subject.Scales, 1f);
        Array.Clear(subject.Codes);
        subject.X[0][0] = subject.X[0][1] = subject.X[0][2] = subject.X[0][67] = 1;
        for (int code = 0; code < 256; code++)
        {
            subject.Codes[(code * 128) + (code % 4 == 3 ? 67 : code % 4)] = (byte)code;
        }
        string name = Fp8MatVecPtx.Name(tile, experts: false);
        MutationLaunch launch = subject.Launch(tile);
        foreach (int sm in (int[])[80, 90])
        {
            launch.Run(Parsed(name, sm), name, MutationLaunch.InTurn, out byte[][] results);
            float[] y = MemoryMarshal.Cast<byte, float>(results[^1]).ToArray();
            Assert.All(Enumerable.Range(0, 256), code => Assert.Equal((float)Oracles.QuantizationOracle.Fp8Value(code), y[code]));
        }
    }

    /// <summary>What two blocks of 5,120 columns cost for each 128 bytes of weights: warp instructions; each weight once in whole sectors.</summary>
    [Theory]
    [InlineData(1, 80, 13.30)]
    [InlineData(1, 90, 5.23)]
    [InlineData(8, 90, 5.45)]
    [InlineData(16, 90, 6.43)]
    public void CountersOfFewRows(int rows, int sm, double instructions)
    {
        const int Outputs = 64, Columns = 5120;
        VectorTile tile = Fp8MatVecPtx.Tiles.Single(tile => tile.Rows == rows);
        string name = Fp8MatVecPtx.Name(tile, experts: false);
        PtxModule module = Parsed(name, sm);
        var profile = new LaunchProfile(new Fp8Case(rows, Outputs, Columns, seed: 7).Launch(tile).Run(module, name, new LaunchOptions { Workers = 1, CountMemory = true }, out _));
        const double Weights = Outputs * Columns;
        Assert.InRange(profile.Instructions / (Weights / 128), 0, instructions);
        Assert.True(profile.SectorEfficiency >= 1, $"sector efficiency {profile.SectorEfficiency}");
        Assert.Equal(0, profile.BankConflicts);
        // Values once a block, scales and factors.
        double bytes = Weights + (2.0 * rows * Columns * Outputs / VectorTile.Outputs);
        Assert.InRange(profile.ReadSectors * 32, bytes, bytes + (2 * VectorTile.Threads * 32));

        using var memory = new GlobalMemory();
        using PtxProgram program = PtxProgram.Load(module, memory);
        int resident = Hopper.ResidentBlocks(VectorTile.Threads, program.Kernel(name)!.Registers, tile.SharedBytes);
        Assert.True(resident >= tile.BlocksPerProcessor, $"{resident} blocks fit.");
        int inFlight = resident * VectorTile.Warps * (tile.Depth - 1) * VectorTile.WeightBytes;
        Assert.True(inFlight >= 64 * 1024, $"{inFlight} bytes in flight.");
    }

    /// <summary>What a block costs for each matrix instruction over 2,560 columns: warp instructions, and clocks of shared memory where each of four schedulers issues one.</summary>
    [Theory]
    [InlineData(64, 80, 4.60, 7.01)]
    [InlineData(64, 90, 2.58, 7.01)]
    [InlineData(128, 80, 4.55, 6.51)]
    [InlineData(128, 90, 2.53, 6.51)]
    public void CountersOfManyRows(int tokens, int sm, double instructions, double clocks)
    {
        const int Columns = 2560;
        TensorTile tile = Of(tokens);
        string name = Fp8GemmPtx.Name(tile, experts: false);
        MutationLaunch launch = new Fp8Case(tile.Tokens, tile.Outputs, Columns, seed: 7).Launch(tile);
        var profile = new LaunchProfile(launch.Run(Parsed(name, sm), name, new LaunchOptions { Workers = 1, CountMemory = true }, out _));
        double products = tile.Outputs / 16.0 * tile.Tokens / 8 * Columns / 16;
        Assert.InRange(profile.Instructions / products, 0, instructions);
        Assert.InRange(4 * profile.Wavefronts / products, 0, clocks);
        Assert.True(profile.SectorEfficiency >= 1, $"sector efficiency {profile.SectorEfficiency}");
        Assert.Equal(0, profile.BankConflicts);
        // Each weight and value once, and scales and factors.
        double bytes = Columns * (tile.Outputs + (2.0 * tile.Tokens));
        Assert.InRange(profile.ReadSectors * 32, bytes, bytes + (3 * tile.Threads * 32));
    }

    /// <summary>Taken where activations may be rounded and rows have whole groups of 128, for both formats of such codes; every known device has room.</summary>
    [Fact]
    public void RecordsSayWhatTheyAreFor()
    {
        DeviceLimits h100 = DeviceLimits.Get("h100");
        foreach (WeightFormat format in (WeightFormat[])[WeightFormat.Fp8, WeightFormat.Fp8Activations])
        {
            var gemm = new GemmDesc(1, 7168, 5120, format, ActivationPrecision.BFloat16);
            Assert.All(DeviceLimits.Known, device => Assert.Equal(
                ["matvec1_fp8", "matvec8_fp8", "matvec16_fp8", "matmul64_fp8", "matmul128_fp8"], new[] { 1, 8, 16, 64, 65 }.Select(rows => Chosen(gemm with { Rows = rows }, device).Kernel)));
            Assert.Equal($"matvec_{format.Name}", Chosen(gemm with { Inner = 5184 }, h100).Kernel);
            Assert.Equal($"matvec_{format.Name}", Chosen(gemm with { Activations = ActivationPrecision.Float32 }, h100).Kernel);
            GemmDesc experts = gemm with { Experts = 128 };
            Assert.Equal(["expert_matvec1_fp8", "expert_matvec8_fp8", "expert_matvec16_fp8", "expert_matmul64_fp8", "expert_matmul128_fp8"],
                new[] { 1, 8, 16 * 128, 64 * 128, 65 * 128 }.Select(rows => Chosen(experts with { Rows = rows }, h100).Kernel));
            Assert.Equal(format.QuantisesActivations ? "E4M3 codes" : "BFloat16", Chosen(gemm, h100).Operands);
        }

        static ProductChoice Chosen(GemmDesc gemm, DeviceLimits device) => KernelChoices.Choose(gemm, device);
    }

    private static (string Name, MutationLaunch Launch) Launch(Fp8Case subject, int atOnce, bool experts)
    {
        if (atOnce > 16)
        {
            return (Fp8GemmPtx.Name(Of(atOnce), experts), subject.Launch(Of(atOnce)));
        }
        VectorTile tile = Fp8MatVecPtx.Tiles.Single(tile => tile.Rows == atOnce);
        return (Fp8MatVecPtx.Name(tile, experts), subject.Launch(tile));
    }

    private static void Check(string name, MutationLaunch launch)
    {
        foreach (int sm in PtxKernelModules.All.Targets(name).Select(target => target.Sm))
        {
            launch.CheckOrders(Parsed(name, sm), name, orders: 2, results: 1);
        }
    }

    private static TensorTile Of(int tokens) => Fp8GemmPtx.Tiles.Single(tile => tile.Tokens == tokens);

    private static PtxModule Parsed(string name, int sm) => PtxModule.Parse(PtxKernelModules.All.Get(name, sm).Text);
}
