using System.Runtime.InteropServices;
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

/// <summary>The int4 products for many rows against float64, with copies that land early and late and warps in any order.</summary>
public class Int4GemmTests
{
    /// <summary>Outputs and rows around a unit, a warp's and a block's tile; groups from one to more than the ring holds.</summary>
    [Theory]
    [InlineData(64, 1, 1, 128)]
    [InlineData(64, 17, 33, 256)]
    [InlineData(64, 64, 64, 640)]
    [InlineData(64, 66, 97, 384)]
    [InlineData(128, 1, 1, 128)]
    [InlineData(128, 33, 129, 256)]
    [InlineData(128, 128, 128, 384)]
    [InlineData(128, 130, 70, 640)]
    public void Products(int tokens, int rows, int outputs, int columns)
    {
        // A grid for more rows than there are, as that of a graph may be; a bias beside every other shape.
        var subject = new Int4Case(rows, outputs, columns, seed: rows + outputs, withBias: rows % 2 == 0);
        Check(Of(tokens), experts: false, subject.Tiled(Of(tokens), spare: rows % 3));
    }

    /// <summary>Experts without rows, with one, with as many as a tile and more.</summary>
    [Theory]
    [InlineData(64, new[] { 0, 0, 0, 1 }, 33)]
    [InlineData(64, new[] { 0, 2, 66, 66, 131, 132 }, 65)]
    [InlineData(128, new[] { 0, 3, 3, 4 }, 130)]
    [InlineData(128, new[] { 0, 0, 128, 130, 131 }, 31)]
    public void Experts(int tokens, int[] starts, int outputs)
    {
        var subject = new Int4Case(starts[^1], outputs, 384, seed: tokens + outputs, starts);
        Check(Of(tokens), experts: true, subject.Tiled(Of(tokens), spare: 1));
    }

    /// <summary>Every tile of an expert's rows has a block, whatever the routing: the grid's bound is the most that there can be.</summary>
    [Theory]
    [InlineData(1, 16)]
    [InlineData(16, 16)]
    [InlineData(200, 3)]
    [InlineData(4096, 128)]
    public void TheGridHasABlockForEveryTile(int rows, int experts)
    {
        foreach (TensorTile tile in Int4GemmPtx.Tiles)
        {
            Assert.Equal((rows + tile.Tokens - 1) / tile.Tokens, tile.TokenTiles(rows, 0));
            // The worst: as many experts as can be with one row more than whole tiles.
            int most = 0, left = rows;
            for (int expert = 0; expert < experts && left > 0; expert++)
            {
                int taken = expert == experts - 1 ? left : 1;
                (most, left) = (most + ((taken + tile.Tokens - 1) / tile.Tokens), left - taken);
            }
            Assert.InRange(tile.TokenTiles(rows, experts), most, rows);
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
        TensorTile tile = Of(tokens);
        var subject = new Int4Case(40, 33, 384, seed: 5, experts ? [0, 7, 40] : null);
        subject.Tiled(tile).CheckOrders(Parsed(Int4GemmPtx.Name(tile, experts), 90), Int4GemmPtx.Name(tile, experts), orders: 20, results: 1);
    }

    /// <summary>Sums change their unit with every group: scales that differ by many powers of two, that are negative, that are zero.</summary>
    [Theory]
    [InlineData(64)]
    [InlineData(128)]
    public void ScalesOfAllSizes(int tokens)
    {
        float[] scales = [1e-5f, 3e8f, -2f, 0, 7e6f, 1e-20f, 0];
        TensorTile tile = Of(tokens);
        foreach (int groups in (int[])[1, 2, 3, 4, 7])
        {
            Check(tile, experts: false, new Int4Case(2, 3, groups * 128, seed: groups, scale: group => scales[group]).Tiled(tile));
        }
        new Int4Case(2, 3, 384, seed: 1, scale: _ => 0).Tiled(tile).Run(Parsed(Int4GemmPtx.Name(tile, experts: false), 80), Int4GemmPtx.Name(tile, experts: false), MutationLaunch.InTurn, out byte[][] results);
        Assert.All(MemoryMarshal.Cast<byte, float>(results[^1]).ToArray(), value => Assert.InRange(value, -1e-37f, 1e-37f));
    }

    /// <summary>What is no number in x makes its row's results no numbers, and no other's.</summary>
    [Theory]
    [InlineData(64, float.NaN)]
    [InlineData(128, float.PositiveInfinity)]
    public void WhatIsNoNumberStaysInItsRow(int tokens, float value)
    {
        TensorTile tile = Of(tokens);
        string name = Int4GemmPtx.Name(tile, experts: false);
        var subject = new Int4Case(3, 20, 256, seed: 1);
        MutationLaunch good = subject.Tiled(tile);
        subject.X[1][130] = value;
        MutationLaunch launch = good with { Buffers = [.. good.Buffers.Take(2), subject.Tiled(tile).Buffers[2], .. good.Buffers.Skip(3)] };
        launch.Run(Parsed(name, 80), name, MutationLaunch.InTurn, out byte[][] results);
        float[] y = MemoryMarshal.Cast<byte, float>(results[^1]).ToArray(), expected = MemoryMarshal.Cast<byte, float>(good.Buffers[^1].Expected).ToArray();
        for (int i = 0; i < y.Length; i++)
        {
            Assert.True(i / 20 == 1 ? float.IsNaN(y[i]) : Math.Abs(y[i] - expected[i]) < 1e-4, $"element {i}: {y[i]}, expected {expected[i]}");
        }
    }

    /// <summary>The error norm over the result's norm at the model's length, for activations with a mean: neither the 24 nor the changes of unit cost more digits than the bound has.</summary>
    [Fact]
    public void TheOffsetAndTheUnitsCostFewDigits()
    {
        TensorTile tile = Of(64);
        MutationLaunch launch = new Int4Case(2, 32, 5120, seed: 8).Tiled(tile);
        launch.Run(Parsed(Int4GemmPtx.Name(tile, experts: false), 80), Int4GemmPtx.Name(tile, experts: false), MutationLaunch.InTurn, out byte[][] results);
        float[] y = MemoryMarshal.Cast<byte, float>(results[^1]).ToArray(), expected = MemoryMarshal.Cast<byte, float>(launch.Buffers[^1].Expected).ToArray();
        double error = y.Zip(expected).Sum(pair => Math.Pow((double)pair.First - pair.Second, 2)), norm = expected.Sum(value => (double)value * value);
        Assert.InRange(Math.Sqrt(error / norm), 0, 1e-5);
    }

    /// <summary>
    /// What a block costs for each matrix instruction over 2,560 columns: warp instructions, those on the integer units, and clocks of shared memory
    /// where each of the four schedulers issues one. The tensor cores take 6.45 clocks at 62 % of their rate: nothing may come near that but shared memory of the small tiles.
    /// </summary>
    [Theory]
    [InlineData(64, 4.70, 2.18, 8.54)]
    [InlineData(128, 4.17, 2.03, 4.90)]
    public void Counters(int tokens, double instructions, double integer, double clocks)
    {
        const int Columns = 2560;
        TensorTile tile = Of(tokens);
        string name = Int4GemmPtx.Name(tile, experts: false);
        PtxModule module = Parsed(name, 80);
        MutationLaunch launch = new Int4Case(tile.Tokens, tile.Outputs, Columns, seed: 7).Tiled(tile);
        var profile = new LaunchProfile(launch.Run(module, name, new LaunchOptions { Workers = 1, CountMemory = true }, out _));
        double products = tile.Outputs / 16.0 * tile.Tokens / 8 * Columns / 16;
        Assert.InRange(profile.Instructions / products, 0, instructions);
        Assert.InRange(profile.On(Pipe.Alu) / products, 0, integer);
        Assert.InRange(4 * profile.Wavefronts / products, 0, clocks);
        Assert.True(profile.SectorEfficiency >= 1, $"sector efficiency {profile.SectorEfficiency}");
        Assert.Equal(0, profile.BankConflicts);
        // Each code and scale once, each value and sum once.
        double bytes = (tile.Outputs * (Columns / 2 + Columns / 32)) + (tile.Tokens * Int4Operand.RowBytes(Columns));
        Assert.InRange(profile.ReadSectors * 32, bytes, bytes + (tile.Threads * 32));
    }

    /// <summary>Every known device has room for the kernels, those with 99 KB too.</summary>
    [Fact]
    public void DevicesSayWhatTheyLack()
    {
        Assert.Equal(91136, Int4GemmPtx.Tiles.Max(Int4GemmPtx.SharedBytes));
        var gemm = new GemmDesc(256, 5120, 8192, WeightFormat.Int4, ActivationPrecision.BFloat16);
        foreach (CudaProduct record in Int4GemmCuda.Products)
        {
            GemmDesc one = gemm with { Rows = 16, Experts = record.IsGrouped ? 4 : 0 };
            Assert.All(DeviceLimits.Known, device => Assert.Null(record.WhyNot(one, device)));
            Assert.Contains("sm_80", record.WhyNot(one, new DeviceLimits("old", 75, 99 * 1024, 8)), StringComparison.Ordinal);
            Assert.Contains($"{record.SharedBytes} bytes of shared memory", record.WhyNot(one, new DeviceLimits("small", 87, 40 * 1024, 8)), StringComparison.Ordinal);
        }
    }

    private static TensorTile Of(int tokens) => Int4GemmPtx.Tiles.Single(tile => tile.Tokens == tokens);

    private static void Check(TensorTile tile, bool experts, MutationLaunch launch)
    {
        string name = Int4GemmPtx.Name(tile, experts);
        foreach (int sm in PtxKernelModules.All.Targets(name).Select(target => target.Sm))
        {
            PtxModule module = Parsed(name, sm);
            launch.CheckOrders(module, name, orders: 2, results: 1);
        }
    }

    private static PtxModule Parsed(string name, int sm) => PtxModule.Parse(PtxKernelModules.All.Get(name, sm).Text);
}
