using System.Runtime.InteropServices;
using Llama4Kernels.Interop.Memory;

namespace Llama4Kernels.Tests.Interop.Memory;

/// <summary>What is asked of the system for memory changes where it lies and nothing that stands in it.</summary>
public sealed unsafe class HugePagesTests
{
    // So large that it is a mapping of its own: smaller memory may have been another's, and be there already.
    private const int Bytes = 64 << 20;

    [Fact]
    public void PopulatedMemoryIsThereBeforeItIsTouchedAndKeepsWhatStandsBesideIt()
    {
        ProcessMapping.SkipUnlessTold();
        byte* memory = (byte*)NativeMemory.AlignedAlloc(Bytes, HugePages.Bytes);
        try
        {
            memory[0] = 1;
            memory[Bytes / 2] = 2;
            Assert.SkipUnless(HugePages.Populate((nint)memory + 1, Bytes / 2), "The system does not populate.");
            Assert.InRange(ProcessMapping.PresentBytes((nint)memory, Bytes), Bytes / 2, Bytes * 3L / 4);
            Assert.Equal((1, 2), (memory[0], memory[Bytes / 2]));
            Assert.False(new Span<byte>(memory + 1, Bytes / 2 - 1).ContainsAnyExcept((byte)0));
        }
        finally
        {
            NativeMemory.AlignedFree(memory);
        }
    }

    [Fact]
    public void NothingIsPopulatedForNoBytes() => Assert.False(HugePages.Populate(0, 0));
}
