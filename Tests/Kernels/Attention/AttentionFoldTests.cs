using Llama4Kernels.Kernels.Attention;
using Llama4Kernels.Kernels.Ptx;
using Llama4Kernels.PtxEmulator.Counting;
using Llama4Kernels.PtxEmulator.Execution;
using Llama4Kernels.PtxEmulator.Parsing;
using Llama4Kernels.Tests.PtxEmulator.Mutation;

namespace Llama4Kernels.Tests.Kernels.Attention;

/// <summary>The fold of a head's ranges to the operand of int4 products, against float64.</summary>
public class AttentionFoldTests
{
    /// <summary>One range, fewer than warps, as many as a batch holds and more, all there can be; rows of no sequence; ranges that double.</summary>
    [Theory]
    [InlineData(new[] { 0 }, 1, 16, 64)]
    [InlineData(new[] { 40, -1, 31 }, 3, 16, 16)]
    [InlineData(new[] { 511, 512, 527 }, 2, 16, 64)]
    [InlineData(new[] { 1023, 1024, 5000 }, 1, 16, 64)]
    public void HeadsAreFolded(int[] positions, int heads, int splitKeys, int maxSplits)
    {
        foreach (int sm in PtxKernelModules.All.Targets(AttentionFoldPtx.Name).Select(target => target.Sm))
        {
            AttentionFoldCase.Launch(positions, heads, splitKeys, maxSplits, seed: positions[0] + 1).CheckOrders(Parsed(sm), AttentionFoldPtx.Name, orders: 3, results: 1);
        }
    }

    [Fact]
    public void TwentyOrdersOfTurnsGiveTheSameBits() =>
        AttentionFoldCase.Launch([700, 20], 2, 16, 64, seed: 5).CheckOrders(Parsed(90), AttentionFoldPtx.Name, orders: 20, results: 1);

    /// <summary>Ranges of 8,192 keys: each sum read once, few instructions, no bank conflict.</summary>
    [Fact]
    public void Counters()
    {
        MutationLaunch launch = AttentionFoldCase.Launch([8191], 1, 256, 64, seed: 7);
        var profile = new LaunchProfile(launch.Run(Parsed(80), AttentionFoldPtx.Name, new LaunchOptions { Workers = 1, CountMemory = true }, out _));
        Assert.Equal(0, profile.BankConflicts);
        // 32 ranges of 128 values, each once; each of four warps looks at the row's position and at all ranges' scores and weights.
        Assert.Equal((32 * 512) + (4 * ((32 * 2 * sizeof(float)) + (32 * sizeof(int)))), profile.GlobalReadBytes);
        Assert.InRange(profile.Instructions, 0, 1700);
    }

    private static PtxModule Parsed(int sm) => PtxModule.Parse(PtxKernelModules.All.Get(AttentionFoldPtx.Name, sm).Text);
}
