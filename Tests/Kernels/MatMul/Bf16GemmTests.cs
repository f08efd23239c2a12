using System.Runtime.InteropServices;
using Llama4Kernels.Kernels.Backends.Cuda;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Ptx;
using Llama4Kernels.PtxEmulator.Counting;
using Llama4Kernels.PtxEmulator.Execution;
using Llama4Kernels.PtxEmulator.Parsing;
using Llama4Kernels.Tests.PtxEmulator.Mutation;

namespace Llama4Kernels.Tests.Kernels.MatMul;

/// <summary>The products of bfloat16 weights on tensor cores against float64, with copies that land early and late and warps in any order.</summary>
public class Bf16GemmTests
{
    /// <summary>Outputs and rows around a warp's and a block's tile; columns from fewer than the ring holds to more.</summary>
    [Theory]
    [InlineData(64, 1, 1, 128)]
    [InlineData(64, 17, 33, 256)]
    [InlineData(64, 66, 130, 640)]
    [InlineData(128, 1, 1, 128)]
    [InlineData(128, 33, 65, 256)]
    [InlineData(128, 130, 70, 640)]
    public void Products(int tokens, int rows, int outputs, int columns)
    {
        TensorTile tile = Of(tokens);
        // A grid for more rows than there are, as that of a graph may be; a bias beside every other shape.
        MutationLaunch launch = new Bf16Case(rows, outputs, columns, seed: rows + outputs, withBias: rows % 2 == 0).Launch(tile, spare: rows % 3);
        string name = Bf16GemmPtx.Name(tile, experts: false);
        foreach (int sm in PtxKernelModules.All.Targets(name).Select(target => target.Sm))
        {
            launch.CheckOrders(Parsed(name, sm), name, orders: 2, results: 1);
        }
    }

    /// <summary>Experts without rows, with one, with a tile and more; outputs that end within an expert's tile.</summary>
    [Theory]
    [InlineData(64, new[] { 0, 0, 3, 3, 4, 70 }, 33)]
    [InlineData(64, new[] { 0, 65, 66 }, 129)]
    [InlineData(128, new[] { 0, 130, 130, 131 }, 40)]
    public void Experts(int tokens, int[] starts, int outputs)
    {
        TensorTile tile = Of(tokens);
        string name = Bf16GemmPtx.Name(tile, experts: true);
        foreach (int sm in PtxKernelModules.All.Targets(name).Select(target => target.Sm))
        {
            new Bf16Case(starts[^1], outputs, 256, seed: outputs, starts).Launch(tile).CheckOrders(Parsed(name, sm), name, orders: 2, results: 1);
        }
    }

    /// <summary>Turns of warps and blocks in twenty orders, copies that land as late or as early as they may: no finding, and the same bits.</summary>
    [Theory]
    [InlineData(64, false)]
    [InlineData(128, false)]
    [InlineData(64, true)]
    [InlineData(128, true)]
    public void TwentyOrdersOfTurnsGiveTheSameBits(int tokens, bool experts)
    {
        string name = Bf16GemmPtx.Name(Of(tokens), experts);
        new Bf16Case(40, 33, 384, seed: 5, experts ? [0, 7, 40] : null).Launch(Of(tokens)).CheckOrders(Parsed(name, 90), name, orders: 20, results: 1);
    }

    /// <summary>What is no number in x makes its row's results no numbers, and no other's.</summary>
    [Theory]
    [InlineData(64, float.NaN)]
    [InlineData(128, float.NegativeInfinity)]
    public void WhatIsNoNumberStaysInItsRow(int tokens, float value)
    {
        TensorTile tile = Of(tokens);
        string name = Bf16GemmPtx.Name(tile, experts: false);
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

    /// <summary>What a block costs for each matrix instruction over 2,560 columns: warp instructions, and clocks of shared memory where each of four schedulers issues one.</summary>
    [Theory]
    [InlineData(64, 1.96, 9.01)]
    [InlineData(128, 1.84, 8.01)]
    public void Counters(int tokens, double instructions, double clocks)
    {
        const int Columns = 2560;
        TensorTile tile = Of(tokens);
        string name = Bf16GemmPtx.Name(tile, experts: false);
        MutationLaunch launch = new Bf16Case(tile.Tokens, tile.Outputs, Columns, seed: 7).Launch(tile);
        var profile = new LaunchProfile(launch.Run(Parsed(name, 80), name, new LaunchOptions { Workers = 1, CountMemory = true }, out _));
        double products = tile.Outputs / 16.0 * tile.Tokens / 8 * Columns / 16;
        Assert.InRange(profile.Instructions / products, 0, instructions);
        Assert.InRange(4 * profile.Wavefronts / products, 0, clocks);
        Assert.True(profile.SectorEfficiency >= 1, $"sector efficiency {profile.SectorEfficiency}");
        Assert.Equal(0, profile.BankConflicts);
        // Each weight and value once, no sums.
        double bytes = 2.0 * Columns * (tile.Outputs + tile.Tokens);
        Assert.InRange(profile.ReadSectors * 32, bytes, bytes + (tile.Threads * 32));
    }

    /// <summary>What a block of experts reads is what one of a matrix reads: each expert's weights once for a tile of its rows.</summary>
    [Fact]
    public void EachExpertsWeightsAreReadOnce()
    {
        const int Columns = 512;
        TensorTile tile = Of(64);
        string name = Bf16GemmPtx.Name(tile, experts: true);
        // Full tiles, one of a few rows and an expert without any.
        MutationLaunch launch = new Bf16Case(128, tile.Outputs, Columns, seed: 7, [0, 64, 64, 67, 128]).Launch(tile);
        var profile = new LaunchProfile(launch.Run(Parsed(name, 80), name, new LaunchOptions { Workers = 1, CountMemory = true }, out _));
        Assert.True(profile.SectorEfficiency >= 1, $"sector efficiency {profile.SectorEfficiency}");
        Assert.Equal(0, profile.BankConflicts);
        double bytes = 2.0 * Columns * ((3 * tile.Outputs) + 128);
        // And the experts' first rows, which each warp reads.
        Assert.InRange(profile.ReadSectors * 32, bytes, bytes + (tile.TokenTiles(128, 4) * tile.Threads * 32));
    }

    /// <summary>Taken from 17 rows on where activations may be rounded and rows have whole groups of 128; every known device has room.</summary>
    [Fact]
    public void RecordsSayWhatTheyAreFor()
    {
        DeviceLimits h100 = DeviceLimits.Get("h100");
        var gemm = new GemmDesc(17, 7168, 5120, WeightFormat.BF16, ActivationPrecision.BFloat16);
        Assert.All(DeviceLimits.Known, device => Assert.Equal("matmul64_bf16", Chosen(gemm, device)));
        Assert.Equal("matvec16_bf16", Chosen(gemm with { Rows = 16 }, h100));
        Assert.Equal("matmul64_bf16", Chosen(gemm with { Rows = 64 }, h100));
        Assert.Equal("matmul128_bf16", Chosen(gemm with { Rows = 65 }, h100));
        Assert.Equal("matmul_bf16", Chosen(gemm with { Inner = 5184 }, h100));
        Assert.Equal("matmul_bf16", Chosen(gemm with { Activations = ActivationPrecision.Float32 }, h100));
        Assert.Equal("is for columns in multiples of 128", Bf16GemmCuda.Products[0].WhyNot(gemm with { Inner = 5184 }, h100));
        GemmDesc experts = gemm with { Rows = 64 * 16, Experts = 16 };
        Assert.Equal("expert_matmul64_bf16", Chosen(experts, h100));
        Assert.Equal("expert_matmul128_bf16", Chosen(experts with { Rows = 65 * 16 }, h100));
        Assert.Equal("expert_matvec16_bf16", Chosen(experts with { Rows = 16 * 16 }, h100));
        Assert.Contains("98304 bytes of shared memory", Bf16GemmCuda.Products[1].WhyNot(gemm, h100 with { SharedBytes = 64 * 1024 }), StringComparison.Ordinal);

        static string Chosen(GemmDesc gemm, DeviceLimits device) => KernelChoices.Choose(gemm, device).Kernel;
    }

    private static TensorTile Of(int tokens) => Bf16GemmPtx.Tiles.Single(tile => tile.Tokens == tokens);

    private static PtxModule Parsed(string name, int sm) => PtxModule.Parse(PtxKernelModules.All.Get(name, sm).Text);
}
