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

/// <summary>Split attention on tensor cores against <see cref="Oracles.SplitAttentionOracle"/>, with copies that land early and late and warps in any order.</summary>
public class SplitAttentionTests
{
    /// <summary>
    /// The first key alone, around the edges of a warp's keys, of a page, of a tile and of the ring, rows of no sequence, one range and several, and ranges
    /// that double; one query head a key/value head, five and eight.
    /// </summary>
    [Theory]
    [InlineData(64, 1, 5, new[] { 0 }, 64, 1)]
    [InlineData(64, 2, 5, new[] { 14, 15, 16, -1 }, 64, 2)]
    [InlineData(64, 1, 8, new[] { 62, 63, 64, 65 }, 64, 4)]
    [InlineData(64, 1, 1, new[] { 127, 128, 191, 193, 256 }, 512, 1)]
    [InlineData(64, 2, 3, new[] { -1, 330, 7 }, 64, 4)]
    [InlineData(32, 1, 5, new[] { 0, 31 }, 64, 2)]
    [InlineData(32, 2, 5, new[] { 32, 47, 63, 64, -1 }, 64, 2)]
    [InlineData(32, 1, 8, new[] { 95, 96, 129, 230, 300 }, 256, 2)]
    public void Ranges(int pageTokens, int kvHeads, int group, int[] positions, int splitKeys, int maxSplits)
    {
        MutationLaunch launch = new SplitAttentionCase(positions, pageTokens, kvHeads, group, splitKeys, maxSplits, seed: group + positions.Length).Launch();
        string name = SplitAttentionPtx.Name(pageTokens);
        foreach (int sm in PtxKernelModules.All.Targets(name).Select(target => target.Sm))
        {
            PtxModule module = Parsed(name, sm);
            launch.CheckOrders(module, name, orders: 2, results: 1);
        }
    }

    /// <summary>Turns of warps and blocks in some orders, copies that land as late or as early as they may: no finding, and the same bits.</summary>
    [Theory]
    [InlineData(64)]
    [InlineData(32)]
    public void AnyOrderOfTurnsGivesTheSameBits(int pageTokens)
    {
        MutationLaunch launch = new SplitAttentionCase([300], pageTokens, 1, 5, 256, 2, seed: 5).Launch();
        string name = SplitAttentionPtx.Name(pageTokens);
        PtxModule module = Parsed(name, 90);
        launch.CheckOrders(module, name, orders: 20, results: 2);
    }

    /// <summary>What is no number in a query stays in its head: the others are columns of the same products.</summary>
    [Fact]
    public void WhatIsNoNumberStaysInItsHead()
    {
        var subject = new SplitAttentionCase([40], 64, 1, 5, 64, 1, seed: 2);
        MutationLaunch good = subject.Launch();
        subject.Query(0, 2)[77] = float.NaN;
        MutationLaunch launch = good with { Buffers = [subject.Launch().Buffers[0], .. good.Buffers.Skip(1)] };
        string name = SplitAttentionPtx.Name(64);
        launch.Run(Parsed(name, 80), name, MutationLaunch.InTurn, out byte[][] results);
        float[] sums = MemoryMarshal.Cast<byte, float>(results[^2]).ToArray(), expected = MemoryMarshal.Cast<byte, float>(good.Buffers[^2].Expected).ToArray();
        for (int i = 0; i < sums.Length; i++)
        {
            if (i / SplitAttentionPtx.HeadDim == 2)
            {
                Assert.True(float.IsNaN(sums[i]), $"element {i}: {sums[i]}");
            }
            else
            {
                Assert.InRange(sums[i], expected[i] - 0.2f, expected[i] + 0.2f);
            }
        }
    }

    /// <summary>What a range of 1,024 keys costs: instructions a key and warp, whole sectors, no bank twice, and what a multiprocessor has under way.</summary>
    [Theory]
    [InlineData(64, 12.4)]
    [InlineData(32, 13.2)]
    public void Counters(int pageTokens, double instructions)
    {
        const int Keys = 1024;
        MutationLaunch launch = new SplitAttentionCase([Keys - 1], pageTokens, 1, 5, Keys, 1, seed: 7).Launch();
        string name = SplitAttentionPtx.Name(pageTokens);
        PtxModule module = Parsed(name, 80);
        var profile = new LaunchProfile(launch.Run(module, name, new LaunchOptions { Workers = 1, CountMemory = true }, out _));
        Assert.InRange(profile.Instructions / (double)Keys, 0, instructions);
        Assert.True(profile.SectorEfficiency >= 0.999, $"sector efficiency {profile.SectorEfficiency}");
        Assert.Equal(0, profile.BankConflicts);

        int resident = Hopper.ResidentBlocks(SplitAttentionPtx.Threads, Registers(module, name), SplitAttentionPtx.SharedBytes);
        Assert.True(resident >= SplitAttentionPtx.BlocksPerProcessor, $"{resident} blocks fit.");
        Assert.True(SplitAttentionPtx.BlocksPerProcessor * SplitAttentionPtx.BytesInFlight >= 64 * 1024);
    }

    /// <summary>Every known device has room for the kernels; one without says what it lacks, and so does what they are not for.</summary>
    [Fact]
    public void RecordsSayWhatTheyAreFor()
    {
        var shape = new AttentionShape(40, 8, 128);
        AttentionCase Case(int pageTokens) => new(true, shape, new KvLayout(pageTokens, 12, 8, 128, KvFormat.BF16), ActivationPrecision.BFloat16, DeviceLimits.Get("a10"));
        foreach (int pageTokens in CacheTilePtx.PageSizes)
        {
            AttentionCase what = Case(pageTokens);
            Assert.All(DeviceLimits.Known, device => Assert.Equal(SplitAttentionPtx.Name(pageTokens), PagedAttentionCuda.Records.Choose(what with { Device = device }).Kernel));
        }
        Assert.Equal("attention_split_bf16", PagedAttentionCuda.Records.Choose(Case(16)).Kernel);
        AttentionCase good = Case(64);
        Func<AttentionCase, string?> whyNot = SplitAttentionCuda.Records[0].WhyNot;
        Assert.Null(whyNot(good));
        Assert.Equal("is for one new row a sequence", whyNot(good with { IsDecode = false }));
        Assert.Equal("is for activations that may be rounded", whyNot(good with { Activations = ActivationPrecision.Float32 }));
        Assert.Equal("is for heads of 128 elements", whyNot(good with { Shape = shape with { HeadDim = 64 } }));
        Assert.Equal("is for up to 8 query heads a key/value head", whyNot(good with { Shape = shape with { KvHeads = 4 } }));
        Assert.Equal("is for pages of 64 positions", whyNot(Case(32)));
        Assert.Equal("is for sm_80 and later", whyNot(good with { Device = good.Device with { Sm = 75 } }));
        Assert.Equal("is for devices with 98304 bytes of shared memory a block", whyNot(good with { Device = good.Device with { SharedBytes = 64 * 1024 } }));
        Assert.Equal("is for a cache of bf16", whyNot(good with { Layout = new KvLayout(64, 12, 8, 128, KvFormat.F32) }));
    }

    private static PtxModule Parsed(string name, int sm) => PtxModule.Parse(PtxKernelModules.All.Get(name, sm).Text);

    private static int Registers(PtxModule module, string name)
    {
        using var memory = new GlobalMemory();
        using PtxProgram program = PtxProgram.Load(module, memory);
        return program.Kernel(name)!.Registers;
    }
}
