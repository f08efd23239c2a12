using Llama4Kernels.Kernels.Ptx;

namespace Llama4Kernels.Kernels.Machine;

/// <summary>
/// Writes kernels that read memory once and do nothing else: with so many 16-byte loads of a thread under way, how fast is a
/// device's memory? A thread leaves the exclusive or of all it read, so that nothing can be left out.
/// </summary>
internal static class ReadProbe
{
    /// <summary>Threads of a block.</summary>
    public const int Threads = 256;

    /// <summary>Bytes of a load.</summary>
    public const int LoadBytes = 16;

    /// <summary>Loads of a thread that are under way together, a kernel for each.</summary>
    public static IReadOnlyList<int> Loads { get; } = [1, 4, 8];

    /// <summary>The kernel's name.</summary>
    public static string Name(int loads) => $"probe_read{loads}";

    /// <summary>Bytes that a block reads in a step.</summary>
    public static int BlockBytes(int loads) => Threads * LoadBytes * loads;

    /// <summary>Writes the kernel for a compute capability.</summary>
    public static KernelWriter Write(int loads, int sm)
    {
        var k = new KernelWriter(Name(loads), sm, Threads, blocksPerProcessor: 1,
            $"Reads memory with {loads} loads of 16 bytes a thread under way; sm_{sm}.\n"
            + $"grid (any), block {Threads}: block b reads {BlockBytes(loads)} bytes from b · {BlockBytes(loads)} on, then the same one grid further, so many steps");
        Parameter<GlobalAddress> data = k.View("data", "[steps][blocks] pieces of a block");
        Parameter<GlobalAddress> result = k.View("result", "[blocks][threads] u32, exclusive or of the thread's words");
        Parameter<U32> stepCount = k.Value("steps", "1 or more"), strideBytes = k.Value("stride", "bytes that the grid reads in a step");
        Reg<U32> thread = k.Register<U32>("thread", "thread of the block"), block = k.Register<U32>("block", "block of the grid");
        Reg<U32> left = k.Register<U32>("left", "steps left"), stride = k.Register<U32>("stride_bytes", "bytes to the next step"), all = k.Register<U32>("all", "exclusive or");
        Reg<GlobalAddress> from = k.Register<GlobalAddress>("from", "the thread's first load"), to = k.Register<GlobalAddress>("to", "its result");
        Reg<Predicate> more = k.Register<Predicate>("more", "there is another step");
        Vec4<U32>[] words = [.. Enumerable.Range(0, loads).Select(load => k.Quad<U32>($"word{load}_", $"load {load}"))];
        Label loop = k.NewLabel("LOOP");

        k.ThreadIndex(thread);
        k.BlockX(block);
        k.Load(left, stepCount);
        k.Load(stride, strideBytes);
        k.Load(from, data);
        k.Advance(from, from, block, BlockBytes(loads));
        k.Advance(from, from, thread, LoadBytes);
        k.Load(to, result);
        k.Advance(to, to, block, Threads * sizeof(uint));
        k.Advance(to, to, thread, sizeof(uint));
        k.And(all, thread, 0);
        k.Place(loop);
        for (int load = 0; load < loads; load++)
        {
            k.LoadOnce(words[load], from.At(load * Threads * LoadBytes));
        }
        k.Advance(from, from, stride, 1);
        k.Subtract(left, left, 1);
        for (int load = 0; load < loads; load++)
        {
            for (int word = 0; word < 4; word++)
            {
                k.Xor(all, all, words[load][word]);
            }
        }
        k.Greater(more, left, 0);
        k.When(more, () => k.BranchUniform(loop));
        k.Store(to, all);
        k.Return();
        return k;
    }
}
