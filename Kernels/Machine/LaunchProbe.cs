using Llama4Kernels.Kernels.Ptx;

namespace Llama4Kernels.Kernels.Machine;

/// <summary>
/// Writes a kernel that does nearly nothing: how long is it from the end of a kernel to the next one that depends on it? Each
/// launch adds one to a number, so that a launch that did not wait for the one before shows.
/// </summary>
internal static class LaunchProbe
{
    /// <summary>The kernel's name.</summary>
    public const string Name = "probe_launch";

    /// <summary>Threads of a block.</summary>
    public const int Threads = 256;

    /// <summary>Writes the kernel for a compute capability.</summary>
    public static KernelWriter Write(int sm)
    {
        var k = new KernelWriter(Name, sm, Threads, blocksPerProcessor: 1,
            $"Adds one to a number; sm_{sm}{(sm >= 90 ? " with programmatic dependent launch" : "")}.\ngrid (any), block {Threads}: the first thread of the first block adds");
        Parameter<GlobalAddress> count = k.View("count", "[1] u32");
        Reg<U32> thread = k.Register<U32>("thread", "thread of the block"), block = k.Register<U32>("block", "block of the grid"), value = k.Register<U32>("value", "the number");
        Reg<GlobalAddress> at = k.Register<GlobalAddress>("at", "where it lies");
        Reg<Predicate> other = k.Register<Predicate>("other", "not the first thread of the first block");
        Label done = k.NewLabel("DONE");

        k.LaunchDependents();
        k.ThreadIndex(thread);
        k.BlockX(block);
        k.MultiplyAdd(thread, block, Threads, thread);
        k.Load(at, count);
        k.WaitForPredecessor();
        k.NotEqual(other, thread, 0);
        k.When(other, () => k.Branch(done));
        k.Load(value, at);
        k.Add(value, value, 1);
        k.Store(at, value);
        k.Place(done);
        k.Return();
        return k;
    }
}
