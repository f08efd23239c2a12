using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.Kernels.ExpertRouting;
using Llama4Kernels.Kernels.Ptx;
using Llama4Kernels.PtxEmulator.Counting;
using Llama4Kernels.PtxEmulator.Execution;
using Llama4Kernels.PtxEmulator.Parsing;
using Llama4Kernels.Tests.PtxEmulator.Mutation;

namespace Llama4Kernels.Tests.Kernels.ExpertRouting;

/// <summary>The kernels of a row's feed-forward block against <see cref="Oracles.NormOracle"/> and float64 products of the same operands.</summary>
public class FeedForwardKernelTests
{
    [Theory]
    [InlineData(1, 128, 16)]
    [InlineData(3, 384, 5)]
    [InlineData(1, 1152, 128)]
    [InlineData(2, 5120, 0)]
    [InlineData(1, 8192, 4)]
    public void NormsWithRouters(int rows, int columns, int experts) =>
        Check(NormRouterPtx.Name, FeedForwardCase.NormRouter(rows, columns, experts, seed: columns), orders: 3);

    /// <summary>Groups fewer than warps and more than rings hold; experts that fill a warp's lanes, and that do not; none.</summary>
    [Theory]
    [InlineData(128, 128, 16, 0)]
    [InlineData(128, 640, 1, 0)]
    [InlineData(256, 384, 5, 4)]
    [InlineData(128, 128, 128, 127)]
    [InlineData(128, 128, 33, 31)]
    [InlineData(128, 2944, 2, 1)]
    [InlineData(384, 256, 0, 0)]
    public void GateAndUp(int width, int inner, int experts, int chosen) =>
        Check(ExpertGateUpPtx.Name, FeedForwardCase.GateUp(width, inner, experts == 0 ? [] : FeedForwardCase.Logits(experts, chosen, seed: inner), seed: width + inner), orders: 3);

    /// <summary>What is no number is chosen last, the first of all if there are no others, with a score of zero.</summary>
    [Theory]
    [InlineData(float.NaN, float.NaN, float.NaN)]
    [InlineData(float.NaN, float.NegativeInfinity, float.NaN)]
    [InlineData(0f, -0f, 0f)]
    [InlineData(-0f, 0f, float.NegativeInfinity)]
    [InlineData(-3f, -2f, float.NaN)]
    [InlineData(-3f, -2f, float.PositiveInfinity)]
    public void OddLogits(float first, float second, float third) =>
        Check(ExpertGateUpPtx.Name, FeedForwardCase.GateUp(128, 128, [first, second, third], seed: 9), orders: 1);

    /// <summary>Outputs around a unit of 32 rows; parts of a group fewer than warps, and several rings; without an expert.</summary>
    [Theory]
    [InlineData(1, 128, 1, 0)]
    [InlineData(33, 640, 4, 3)]
    [InlineData(128, 256, 16, 5)]
    [InlineData(31, 2944, 2, 1)]
    [InlineData(64, 3200, 0, 0)]
    public void Down(int outputs, int inner, int experts, int chosen) =>
        Check(ExpertDownPtx.Name, FeedForwardCase.Down(outputs, inner, experts, chosen, seed: outputs + inner), orders: 3);

    /// <summary>Turns of warps and blocks in twenty orders, copies that land as late or as early as they may: no finding, and the same bits.</summary>
    [Theory]
    [InlineData(NormRouterPtx.Name)]
    [InlineData(ExpertGateUpPtx.Name)]
    [InlineData(ExpertDownPtx.Name)]
    public void TwentyOrdersOfTurnsGiveTheSameBits(string name)
    {
        MutationLaunch launch = name switch
        {
            NormRouterPtx.Name => FeedForwardCase.NormRouter(2, 384, 7, seed: 1),
            ExpertGateUpPtx.Name => FeedForwardCase.GateUp(128, 640, FeedForwardCase.Logits(4, 2, seed: 1), seed: 1, blocks: 3),
            _ => FeedForwardCase.Down(33, 640, 3, 1, seed: 1),
        };
        Check(name, launch, orders: 20);
    }

    /// <summary>
    /// What two of the blocks cost whose columns are a model's: warp instructions per 256 weights, which are 136 bytes with their scales; whole sectors but of
    /// scales, of which a block of gate and up takes half of an entry, and of what it stores; no bank conflict.
    /// </summary>
    [Theory]
    [InlineData(ExpertGateUpPtx.Name, 11.3, 0.94)]
    [InlineData(ExpertDownPtx.Name, 11.7, 0.99)]
    public void Counters(string name, double instructions, double efficiency)
    {
        MutationLaunch launch = (name == ExpertDownPtx.Name ? FeedForwardCase.Down(64, 8192, 0, 0, seed: 7) : FeedForwardCase.GateUp(128, 5120, [], seed: 7)) with { Grid = new CudaDim3(2, 1) };
        PtxModule module = PtxModule.Parse(PtxKernelModules.All.Get(name, 80).Text);
        var profile = new LaunchProfile(launch.Run(module, name, new LaunchOptions { Workers = 1, CountMemory = true }, out _));
        double weights = 64.0 * (name == ExpertDownPtx.Name ? 8192 : 5120);
        Assert.InRange(profile.Instructions / (weights / 256), 0, instructions);
        Assert.True(profile.SectorEfficiency >= efficiency, $"sector efficiency {profile.SectorEfficiency}");
        Assert.Equal(0, profile.BankConflicts);
    }

    private static void Check(string name, MutationLaunch launch, int orders)
    {
        // All that a launch writes: the same bits in all orders.
        int written = launch.Buffers.Count(buffer => buffer.Initial is null);
        Assert.InRange(written, name == ExpertDownPtx.Name ? 0 : 1, 2);
        foreach (int sm in PtxKernelModules.All.Targets(name).Select(target => target.Sm))
        {
            launch.CheckOrders(PtxModule.Parse(PtxKernelModules.All.Get(name, sm).Text), name, orders, results: launch.Buffers.Count);
        }
    }
}
