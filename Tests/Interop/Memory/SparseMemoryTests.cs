using Llama4Kernels.Interop.Memory;

namespace Llama4Kernels.Tests.Interop.Memory;

/// <summary>Memory that is larger than the machine's.</summary>
public unsafe class SparseMemoryTests
{
    [Fact]
    public void ItIsZeroAndTakesWhatIsTouched()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no such memory.");
        const long Bytes = 1L << 42;
        using SparseMemory memory = SparseMemory.Allocate(Bytes);
        byte* start = (byte*)memory.Address;
        Assert.Equal(Bytes, memory.Length);
        Assert.Equal((0, 0), (start[0], start[Bytes - 1]));
        start[Bytes / 2] = 7;
        Assert.Equal((0, 7, 0), (start[(Bytes / 2) - 1], start[Bytes / 2], start[(Bytes / 2) + 1]));
    }

    [Fact]
    public void ImpossibleSizesAreErrors()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => SparseMemory.Allocate(0));
        Assert.Throws<OutOfMemoryException>(() => SparseMemory.Allocate(long.MaxValue));
    }
}
