using Llama4Kernels.PtxEmulator.Counting;

namespace Llama4Kernels.Tests.PtxEmulator.Counting;

/// <summary>How many blocks a multiprocessor holds.</summary>
public class HopperTests
{
    [Theory]
    [InlineData(32, 16, 0, 32)] // the limit of blocks
    [InlineData(33, 16, 0, 32)] // two warps each: 64 warps
    [InlineData(65, 16, 0, 21)] // three warps each
    [InlineData(1024, 32, 0, 2)] // 64 warps
    [InlineData(1024, 64, 0, 1)] // 16384 / 2048 = 8 warps a scheduler
    [InlineData(1024, 65, 0, 0)] // 72 registers after rounding: 7 warps a scheduler, 28 in all
    [InlineData(128, 128, 0, 4)]
    [InlineData(128, 168, 0, 3)] // 16384 / 5376 = 3 warps a scheduler
    [InlineData(128, 255, 0, 2)]
    [InlineData(128, 256, 0, 0)] // no thread has more than 255
    [InlineData(128, 32, 102_400, 2)] // 100 KB and the reserve, twice
    [InlineData(128, 32, 115_712, 2)] // (113 + 1) KB twice are all 228 KB
    [InlineData(128, 32, 115_713, 1)]
    [InlineData(128, 32, 232_448, 1)]
    [InlineData(128, 32, 232_449, 0)]
    public void ResidentBlocks(int threads, int registers, int shared, int blocks) =>
        Assert.Equal(blocks, Hopper.ResidentBlocks(threads, registers, shared));

    [Theory]
    [InlineData(32, 255)]
    [InlineData(256, 255)]
    [InlineData(288, 168)]
    [InlineData(512, 128)]
    [InlineData(1024, 64)]
    public void MostRegistersStillFit(int threads, int registers)
    {
        Assert.Equal(registers, Hopper.MostRegisters(threads));
        Assert.True(Hopper.ResidentBlocks(threads, registers, 0) >= 1);
        Assert.True(registers == 255 || Hopper.ResidentBlocks(threads, registers + 1, 0) == 0);
    }

    [Fact]
    public void ImpossibleNumbersAreRefused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => Hopper.ResidentBlocks(0, 1, 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => Hopper.ResidentBlocks(32, -1, 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => Hopper.ResidentBlocks(32, 1, -1));
        Assert.Throws<ArgumentOutOfRangeException>(() => Hopper.MostRegisters(0));
        Assert.Throws<ArgumentOutOfRangeException>(() => Hopper.TensorOperationsPerClock(4));
    }

    /// <summary>The published peak: 132 multiprocessors at 1.83 GHz.</summary>
    [Fact]
    public void TheTensorPeakIsThePublishedOne()
    {
        Assert.Equal(989.4e12, Hopper.Processors * Hopper.TensorOperationsPerClock(16) * 1.83e9, 0.1e12);
        Assert.Equal(1979e12, Hopper.Processors * Hopper.TensorOperationsPerClock(8) * 1.83e9, 0.3e12);
    }
}
