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

namespace Llama4Kernels.Tests.Kernels.MatMul;

/// <summary>The products of bfloat16 weights for few rows against float64, with copies that land early and late and warps in any order.</summary>
public class Bf16MatVecTests
{
    /// <summary>Outputs around a block's 32; steps fewer than warps, fewer than the rings hold, and several rings; rows of one slice and more.</summary>
    [Theory]
    [InlineData(1, 1, 128)]
    [InlineData(1, 33, 640)]
    [InlineData(1, 64, 3072)]
    [InlineData(2, 31, 256)]
    [InlineData(7, 48, 1152)]
    [InlineData(8, 16, 2432)]
    [InlineData(9, 17, 384)]
    [InlineData(16, 40, 1664)]
    [InlineData(37, 33, 128)]
    public void Products(int rows, int outputs, int columns)
    {
        VectorTile tile = Bf16MatVecPtx.Tiles.FirstOrDefault(tile => tile.Rows >= rows) ?? Bf16MatVecPtx.Tiles[^1];
        // A grid for more rows than there are, as that of a graph may be; a bias beside every other shape.
        Check(new Bf16Case(rows, outputs, columns, seed: rows + outputs, withBias: rows % 2 == 0 || outputs > 60).Launch(tile, spare: rows % 3), tile, experts: false);
    }

    /// <summary>Experts without rows, with one, with as many as a slice and more; slices that begin in the middle of an expert.</summary>
    [Theory]
    [InlineData(1, new[] { 0, 0, 0, 1 }, 33)]
    [InlineData(1, new[] { 0, 2, 3 }, 16)]
    [InlineData(8, new[] { 0, 0, 3, 3, 4, 8 }, 33)]
    [InlineData(8, new[] { 0, 11, 12, 12, 13 }, 31)]
    [InlineData(16, new[] { 0, 16 }, 17)]
    [InlineData(16, new[] { 0, 19, 20, 40 }, 65)]
    public void Experts(int atOnce, int[] starts, int outputs)
    {
        VectorTile tile = Of(atOnce);
        Check(new Bf16Case(starts[^1], outputs, 640, seed: atOnce + outputs, starts).Launch(tile), tile, experts: true);
    }

    /// <summary>Turns of warps and blocks in twenty orders, copies that land as late or as early as they may: no finding, and the same bits.</summary>
    [Theory]
    [InlineData(1, false)]
    [InlineData(8, false)]
    [InlineData(16, false)]
    [InlineData(1, true)]
    [InlineData(8, true)]
    [InlineData(16, true)]
    public void TwentyOrdersOfTurnsGiveTheSameBits(int atOnce, bool experts)
    {
        string name = Bf16MatVecPtx.Name(Of(atOnce), experts);
        new Bf16Case(atOnce, 33, 1152, seed: 5, experts ? [0, (atOnce + 1) / 2, atOnce] : null).Launch(Of(atOnce)).CheckOrders(Parsed(name, 90), name, orders: 20, results: 1);
    }

    /// <summary>What is no number in x makes its row's results no numbers, and no other's.</summary>
    [Theory]
    [InlineData(8, float.NaN)]
    [InlineData(16, float.NegativeInfinity)]
    public void WhatIsNoNumberStaysInItsRow(int atOnce, float value)
    {
        VectorTile tile = Of(atOnce);
        string name = Bf16MatVecPtx.Name(tile, experts: false);
        var subject = new Bf16Case(3, 20, 256, seed: 1);
        MutationLaunch good = subject.Launch(tile);
        subject.X[1][130] = value;
        MutationLaunch launch = good with { Buffers = [good.Buffers[0], subject.Launch(tile).Buffers[1], .. good.Buffers.Skip(2)] };
        launch.Run(Parsed(name, 80), name, MutationLaunch.InTurn, out byte[][] results);
        float[] y = MemoryMarshal.Cast<byte, float>(results[^1]).ToArray(), expected = MemoryMarshal.Cast<byte, float>(good.Buffers[^1].Expected).ToArray();
        for (int i = 0; i < y.Length; i++)
        {
            Assert.True(i / 20 == 1 ? !float.IsFinite(y[i]) : Math.Abs(y[i] - expected[i]) < 1e-4, $"element {i}: {y[i]}, expected {expected[i]}");
        }
    }

    /// <summary>What two blocks cost of 5,120 columns: warp instructions for each 128 bytes of weights, each read once in whole sectors.</summary>
    [Theory]
    [InlineData(1, 1.55)]
    [InlineData(8, 1.61)]
    [InlineData(16, 2.11)]
    public void Counters(int rows, double instructions)
    {
        const int Outputs = 64, Columns = 5120;
        VectorTile tile = Of(rows);
        string name = Bf16MatVecPtx.Name(tile, experts: false);
        MutationLaunch launch = new Bf16Case(rows, Outputs, Columns, seed: 7).Launch(tile);
        PtxModule module = Parsed(name, 80);
        var profile = new LaunchProfile(launch.Run(module, name, new LaunchOptions { Workers = 1, CountMemory = true }, out _));
        const double Weights = 2.0 * Outputs * Columns;
        Assert.InRange(profile.Instructions / (Weights / 128), 0, instructions);
        Assert.True(profile.SectorEfficiency >= 1, $"sector efficiency {profile.SectorEfficiency}");
        Assert.Equal(0, profile.BankConflicts);
        // Values once a block.
        double bytes = Weights + (2.0 * rows * Columns * Outputs / VectorTile.Outputs);
        Assert.InRange(profile.ReadSectors * 32, bytes, bytes + (2 * VectorTile.Threads * 32));

        using var memory = new GlobalMemory();
        using PtxProgram program = PtxProgram.Load(module, memory);
        int resident = Hopper.ResidentBlocks(VectorTile.Threads, program.Kernel(name)!.Registers, tile.SharedBytes);
        Assert.True(resident >= tile.BlocksPerProcessor, $"{resident} blocks fit.");
        // Weights that are not yet waited for.
        int inFlight = resident * VectorTile.Warps * (tile.Depth - 1) * VectorTile.WeightBytes;
        Assert.True(inFlight >= 64 * 1024, $"{inFlight} bytes in flight.");
    }

    /// <summary>Taken up to 16 rows where activations may be rounded, rows have whole groups of 128 and there are more outputs than a router's; every known device has room.</summary>
    [Fact]
    public void RecordsSayWhatTheyAreFor()
    {
        DeviceLimits h100 = DeviceLimits.Get("h100");
        var gemm = new GemmDesc(1, 7168, 5120, WeightFormat.BF16, ActivationPrecision.BFloat16);
        Assert.All(DeviceLimits.Known, device => Assert.Equal(["matvec1_bf16", "matvec8_bf16", "matvec8_bf16", "matvec16_bf16", "matvec16_bf16"], new[] { 1, 2, 8, 9, 16 }.Select(rows => Chosen(gemm with { Rows = rows }, device))));
        Assert.Equal("matvec_bf16", Chosen(gemm with { Inner = 5184 }, h100));
        Assert.Equal("matvec_bf16", Chosen(gemm with { Outputs = 128 }, h100));
        Assert.Equal("matvec_bf16", Chosen(gemm with { Activations = ActivationPrecision.Float32 }, h100));
        GemmDesc experts = gemm with { Experts = 16 };
        Assert.Equal(["expert_matvec1_bf16", "expert_matvec8_bf16", "expert_matvec16_bf16", "expert_matvec16_bf16"], new[] { 1, 8, 9, 256 }.Select(rows => Chosen(experts with { Rows = rows }, h100)));
        Assert.Equal("is for more than 128 outputs", Bf16MatVecCuda.Products[0].WhyNot(gemm with { Outputs = 128 }, h100));

        static string Chosen(GemmDesc gemm, DeviceLimits device) => KernelChoices.Choose(gemm, device).Kernel;
    }

    private static void Check(MutationLaunch launch, VectorTile tile, bool experts)
    {
        string name = Bf16MatVecPtx.Name(tile, experts);
        foreach (int sm in PtxKernelModules.All.Targets(name).Select(target => target.Sm))
        {
            launch.CheckOrders(Parsed(name, sm), name, orders: 3, results: 1);
        }
    }

    private static VectorTile Of(int rows) => Bf16MatVecPtx.Tiles.Single(tile => tile.Rows == rows);

    private static PtxModule Parsed(string name, int sm) => PtxModule.Parse(PtxKernelModules.All.Get(name, sm).Text);
}
