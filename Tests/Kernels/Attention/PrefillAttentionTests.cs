using System.Runtime.InteropServices;
using Llama4Kernels.Kernels.Attention;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.Kernels.Ptx;
using Llama4Kernels.PtxEmulator.Counting;
using Llama4Kernels.PtxEmulator.Execution;
using Llama4Kernels.PtxEmulator.Parsing;
using Llama4Kernels.Tests.PtxEmulator.Mutation;

namespace Llama4Kernels.Tests.Kernels.Attention;

/// <summary>Prefill attention on tensor cores against <see cref="Oracles.SplitAttentionOracle"/>, with copies that land early and late and warps in any order.</summary>
public class PrefillAttentionTests
{
    /// <summary>
    /// One row and as many as a tile has, and around; contexts around the edges of a product's keys, of a page, of a tile and of both slots; several
    /// sequences; one query head a key/value head to five.
    /// </summary>
    [Theory]
    [InlineData(64, 1, 5, new[] { 0, 1 })]
    [InlineData(64, 2, 5, new[] { 0, 26, 31, 2 })]
    [InlineData(64, 1, 5, new[] { 62, 3, 63, 1, 64, 24, 65, 25 })]
    [InlineData(64, 1, 1, new[] { 0, 33, 127, 2 })]
    [InlineData(64, 1, 3, new[] { 200, 51 })]
    [InlineData(64, 1, 4, new[] { 5, 20, 191, 7, 0, 1 })]
    [InlineData(64, 1, 2, new[] { 0, 200 })]
    [InlineData(32, 1, 5, new[] { 0, 1, 31, 1, 32, 1 })]
    [InlineData(32, 2, 5, new[] { 33, 50, 95, 3 })]
    [InlineData(32, 1, 3, new[] { 0, 130 })]
    public void RowsOfSequences(int pageTokens, int kvHeads, int group, int[] firstsAndRows)
    {
        MutationLaunch launch = new PrefillAttentionCase([.. firstsAndRows.Chunk(2).Select(pair => (pair[0], pair[1]))], pageTokens, kvHeads, group, seed: group + firstsAndRows.Sum()).Launch();
        string name = PrefillAttentionPtx.Name(pageTokens);
        foreach (int sm in PtxKernelModules.All.Targets(name).Select(target => target.Sm))
        {
            launch.CheckOrders(Parsed(name, sm), name, orders: 2, results: 1);
        }
    }

    /// <summary>Turns of warps and blocks in some orders, copies that land as late or as early as they may: no finding, and the same bits.</summary>
    [Theory]
    [InlineData(64)]
    [InlineData(32)]
    public void AnyOrderOfTurnsGivesTheSameBits(int pageTokens)
    {
        string name = PrefillAttentionPtx.Name(pageTokens);
        new PrefillAttentionCase([(150, 26)], pageTokens, 1, 5, seed: 5).Launch().CheckOrders(Parsed(name, 90), name, orders: 20, results: 1);
    }

    /// <summary>Keys larger than all before, so that what weights are taken from rises in tiles that all rows see and in others, for some rows by much; and one that nothing comes near.</summary>
    [Theory]
    [InlineData(64, new[] { 0, 40, 70, 100, 163 })]
    [InlineData(32, new[] { 33, 96, 160, 172 })]
    public void ScoresThatRise(int pageTokens, int[] large)
    {
        var subject = new PrefillAttentionCase([(150, 25)], pageTokens, 1, 5, seed: 8);
        for (int i = 0; i < large.Length; i++)
        {
            subject.Scaled(large[i], 2 << i);
        }
        string name = PrefillAttentionPtx.Name(pageTokens);
        subject.Launch().CheckOrders(Parsed(name, 80), name, orders: 2, results: 1);
    }

    /// <summary>A key beside which the others' weights are nothing, wherever a lane has it.</summary>
    [Theory]
    [InlineData(64)]
    [InlineData(32)]
    public void APeakAtAnyPlace(int pageTokens)
    {
        string name = PrefillAttentionPtx.Name(pageTokens);
        PrefillAttentionCase.Peaks(pageTokens).Launch().CheckOrders(Parsed(name, 80), name, orders: 2, results: 1);
    }

    /// <summary>A row gives the same bits whatever other rows its tile has, also where those make a warp bring its sums to a new maximum.</summary>
    [Fact]
    public void ARowDoesNotDependOnOthers()
    {
        PrefillAttentionCase subject = new PrefillAttentionCase([(90, 40)], 64, 1, 5, seed: 9).Scaled(70, 6).Scaled(111, 9);
        string name = PrefillAttentionPtx.Name(64);
        PtxModule module = Parsed(name, 80);
        byte[][] results = [.. new[] { PrefillAttentionPtx.TileRows, 1, 7 }.Select(rows =>
        {
            MutationLaunch launch = subject.Launch(rows);
            launch.Run(module, name, MutationLaunch.InTurn, out byte[][] found);
            Assert.Null(launch.Difference(found));
            return found[^1];
        })];
        Assert.Equal(results[0], results[1]);
        Assert.Equal(results[0], results[2]);
    }

    /// <summary>What is no number in a query stays in its head and row.</summary>
    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void WhatIsNoNumberStaysInItsHead(float value)
    {
        const int Row = 4, Head = 2, Heads = 5;
        var subject = new PrefillAttentionCase([(60, 8)], 64, 1, Heads, seed: 2);
        MutationLaunch good = subject.Launch();
        subject.Query(Row, Head)[77] = value;
        MutationLaunch launch = good with { Buffers = [subject.Launch().Buffers[0], .. good.Buffers.Skip(1)] };
        string name = PrefillAttentionPtx.Name(64);
        launch.Run(Parsed(name, 80), name, MutationLaunch.InTurn, out byte[][] results);
        float[] output = MemoryMarshal.Cast<byte, float>(results[^1]).ToArray(), expected = MemoryMarshal.Cast<byte, float>(good.Buffers[^1].Expected).ToArray();
        for (int i = 0; i < output.Length; i++)
        {
            if (i / PrefillAttentionPtx.HeadDim == (Row * Heads) + Head)
            {
                Assert.True(float.IsNaN(output[i]), $"element {i}: {output[i]}");
            }
            else
            {
                Assert.InRange(output[i], expected[i] - 0.01f, expected[i] + 0.01f);
            }
        }
    }

    /// <summary>
    /// What a tile of keys costs for each matrix instruction: warp instructions, and clocks of shared memory where each of four schedulers issues one. Of
    /// a whole block: whole sectors, no bank twice, each key, value and query once.
    /// </summary>
    [Theory]
    [InlineData(64, 2.53)]
    [InlineData(32, 2.56)]
    public void Counters(int pageTokens, double instructions)
    {
        const int Keys = 1024, Fewer = 512;
        LaunchProfile whole = Profile(Keys), part = Profile(Fewer);
        double products = PrefillAttentionPtx.Queries / 16.0 * ((Keys - Fewer) / 8) * (PrefillAttentionPtx.HeadDim / 16) * 2;
        Assert.InRange((whole.Instructions - part.Instructions) / products, 0, instructions);
        Assert.InRange(4 * (whole.Wavefronts - part.Wavefronts) / products, 0, 7.0);
        Assert.True(whole.SectorEfficiency >= 0.999, $"sector efficiency {whole.SectorEfficiency}");
        Assert.Equal(0, whole.BankConflicts);
        double bytes = (2.0 * sizeof(ushort) * Keys * PrefillAttentionPtx.HeadDim) + (sizeof(float) * PrefillAttentionPtx.Queries * PrefillAttentionPtx.HeadDim);
        Assert.InRange(whole.ReadSectors * 32, bytes, bytes * 1.02);

        LaunchProfile Profile(int keys)
        {
            const int Rows = PrefillAttentionPtx.TileRows;
            string name = PrefillAttentionPtx.Name(pageTokens);
            MutationLaunch launch = new PrefillAttentionCase([(keys - Rows, Rows)], pageTokens, 1, PrefillAttentionPtx.MostHeads, seed: 7).Launch(withResults: false);
            return new(launch.Run(Parsed(name, 80), name, new LaunchOptions { Workers = 1, CountMemory = true }, out _));
        }
    }

    /// <summary>Every known device has room for the kernels; one without says what it lacks, and so does what they are not for.</summary>
    [Fact]
    public void RecordsSayWhatTheyAreFor()
    {
        var shape = new AttentionShape(40, 8, 128);
        AttentionCase Case(int pageTokens) => new(false, shape, new KvLayout(pageTokens, 12, 8, 128, KvFormat.BF16), ActivationPrecision.BFloat16, DeviceLimits.Get("a10"));
        foreach (int pageTokens in CacheTilePtx.PageSizes)
        {
            AttentionCase what = Case(pageTokens);
            Assert.All(DeviceLimits.Known, device => Assert.Equal(PrefillAttentionPtx.Name(pageTokens), PagedAttentionCuda.Records.Choose(what with { Device = device }).Kernel));
        }
        Assert.Equal("attention_bf16", PagedAttentionCuda.Records.Choose(Case(16)).Kernel);
        AttentionCase good = Case(64);
        Func<AttentionCase, string?> whyNot = PrefillAttentionCuda.Records[0].WhyNot;
        Assert.Null(whyNot(good));
        Assert.Equal("is for several new rows a sequence", whyNot(good with { IsDecode = true }));
        Assert.Equal("is for activations that may be rounded", whyNot(good with { Activations = ActivationPrecision.Float32 }));
        Assert.Equal("is for up to 5 query heads a key/value head", whyNot(good with { Shape = new AttentionShape(48, 8, 128) }));
        Assert.Equal("is for pages of 64 positions", whyNot(Case(32)));
        Assert.Equal("is for devices with 98304 bytes of shared memory a block", whyNot(good with { Device = good.Device with { SharedBytes = 64 * 1024 } }));
    }

    private static PtxModule Parsed(string name, int sm) => PtxModule.Parse(PtxKernelModules.All.Get(name, sm).Text);
}
