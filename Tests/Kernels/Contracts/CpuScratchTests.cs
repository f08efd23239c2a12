using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Tests.Kernels.Contracts;

/// <summary>Scratch memory that grows: what it gave before stays valid until it grows, and an allocation that fails leaves nothing dangling.</summary>
public sealed unsafe class CpuScratchTests
{
    [Fact]
    public void AnAllocationThatFailsLeavesNothingThatCouldBeUsed()
    {
        using var scratch = new CpuScratch();
        scratch.Require(100)[99] = 1;
        Assert.Throws<OutOfMemoryException>(() => scratch.Require(long.MaxValue / 2));
        Assert.Equal(0, scratch.Capacity);
        // Smaller than what was freed: it must be allocated anew.
        byte* again = scratch.Require(50);
        Assert.Equal(50, scratch.Capacity);
        again[49] = 1;
    }

    [Fact]
    public void ItGrowsOnlyWhenItMust()
    {
        using var scratch = new CpuScratch();
        nint first = (nint)scratch.Require(100);
        Assert.Equal(0, first % 64);
        Assert.Equal(first, (nint)scratch.Require(100));
        Assert.Equal(first, (nint)scratch.Require(1));
        scratch.Dispose();
        Assert.Equal(0, scratch.Capacity);
        scratch.Dispose();
    }
}
