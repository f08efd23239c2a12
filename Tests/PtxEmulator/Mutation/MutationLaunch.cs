using System.Runtime.InteropServices;
using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.PtxEmulator.Execution;
using Llama4Kernels.PtxEmulator.Findings;
using Llama4Kernels.PtxEmulator.Parsing;

namespace Llama4Kernels.Tests.PtxEmulator.Mutation;

/// <summary>Memory of a launch.</summary>
/// <param name="Initial">What it holds before, or null to leave it undefined.</param>
/// <param name="Expected">What it holds after.</param>
/// <param name="Agreement">How close that must be.</param>
internal sealed record MutationBuffer(byte[]? Initial, byte[] Expected, Agreement Agreement);

/// <summary>A buffer as an argument; the number of elements follows the address if it is a view.</summary>
internal sealed record BufferArgument(int Buffer, long? Elements);

/// <summary>A launch with known results.</summary>
/// <param name="Grid">Blocks.</param>
/// <param name="Block">Threads of a block.</param>
/// <param name="DynamicShared">Bytes of dynamic shared memory.</param>
/// <param name="Arguments">Buffers, numbers, raw bytes, and null for what stays zero.</param>
/// <param name="Buffers">What the arguments point to.</param>
internal sealed unsafe record MutationLaunch(CudaDim3 Grid, CudaDim3 Block, int DynamicShared, IReadOnlyList<object?> Arguments, IReadOnlyList<MutationBuffer> Buffers)
{
    /// <summary>Instructions of a block after which a mutant counts as endless.</summary>
    public long InstructionLimit { get; init; } = 1L << 32;

    /// <summary>
    /// The same launch with every result left undefined beforehand that the kernel does not read, so that a store that is
    /// missing or goes elsewhere shows, and with a limit of ten times the kernel's instructions.
    /// </summary>
    /// <exception cref="InvalidOperationException">The kernel does not give the expected results.</exception>
    public MutationLaunch Harden(PtxModule module, string kernel, HashSet<int> lines, HashSet<int> divergent)
    {
        LaunchCounters counters = Run(module, kernel, new LaunchOptions { Workers = 1 }, out byte[][] results);
        if (Difference(results) is string difference)
        {
            throw new InvalidOperationException($"{kernel}: {difference}.");
        }
        lines.UnionWith(counters.Lines.Select(line => line.Line));
        divergent.UnionWith(counters.Lines.Where(line => line.Divergent > 0).Select(line => line.Line));
        MutationLaunch hardened = this with { InstructionLimit = 20_000 + 10 * counters.Instructions };
        for (int i = 0; i < Buffers.Count; i++)
        {
            if (Buffers[i].Initial is not byte[] initial || initial.AsSpan().SequenceEqual(Buffers[i].Expected))
            {
                continue;
            }
            MutationLaunch undefined = hardened with { Buffers = [.. hardened.Buffers.Select((buffer, other) => other == i ? buffer with { Initial = null } : buffer)] };
            try
            {
                undefined.Run(module, kernel, new LaunchOptions { Workers = 1 }, out results);
            }
            catch (PtxFindingException)
            {
                // It reads what it writes.
                continue;
            }
            byte[] now = results[i];
            // Bytes that nobody wrote must have held their value before.
            if (now.Zip(Buffers[i].Expected).Zip(initial).All(bytes => bytes.First.First == bytes.First.Second || (bytes.First.First == 0xFF && bytes.First.Second == bytes.Second)))
            {
                hardened = undefined with { Buffers = [.. undefined.Buffers.Select((buffer, other) => other == i ? buffer with { Expected = now } : buffer)] };
            }
        }
        return hardened;
    }

    /// <summary>The first result that is not as expected, or null.</summary>
    public string? Difference(byte[][] results)
    {
        for (int i = 0; i < results.Length; i++)
        {
            if (Buffers[i].Agreement.Difference(Buffers[i].Expected, results[i]) is string difference)
            {
                return $"buffer {i}: {difference}";
            }
        }
        return null;
    }

    /// <summary>One warp after the other, copies as late as they may land.</summary>
    public static LaunchOptions InTurn { get; } = new() { Workers = 1, AsyncCopies = AsyncArrival.Late };

    /// <summary>Checks that turns of warps and blocks in some orders, and copies that land as late or as early as they may, make no finding and give the same bits.</summary>
    /// <param name="module">The module.</param>
    /// <param name="kernel">The kernel.</param>
    /// <param name="orders">How many orders.</param>
    /// <param name="results">How many of the last buffers must be the same in all of them.</param>
    public void CheckOrders(PtxModule module, string kernel, int orders, int results)
    {
        byte[][]? first = null;
        for (int seed = 0; seed < orders; seed++)
        {
            Run(module, kernel, new LaunchOptions { Workers = 1, Seed = seed, AsyncCopies = seed % 2 == 0 ? AsyncArrival.Late : AsyncArrival.Early }, out byte[][] found);
            Assert.Null(Difference(found));
            first ??= found;
            Assert.Equal(first[^results..], found[^results..]);
        }
    }

    /// <exception cref="PtxFindingException">The emulator found something.</exception>
    public LaunchCounters Run(PtxModule module, string kernel, LaunchOptions options, out byte[][] results)
    {
        using var memory = new GlobalMemory();
        nint[] addresses = [.. Buffers.Select(buffer => Upload(memory, buffer))];
        using PtxProgram program = PtxProgram.Load(module, memory);
        PtxKernel entry = program.Kernel(kernel)!;
        var parameters = new byte[entry.ParameterBytes];
        for (int i = 0; i < Arguments.Count; i++)
        {
            Span<byte> place = parameters.AsSpan(entry.Parameters[i].Offset, entry.Parameters[i].Bytes);
            switch (Arguments[i])
            {
                case BufferArgument argument:
                    MemoryMarshal.Write(place, (long)addresses[argument.Buffer]);
                    if (argument.Elements is long elements)
                    {
                        MemoryMarshal.Write(place[8..], elements);
                    }
                    break;
                case byte[] bytes:
                    bytes.CopyTo(place);
                    break;
                default:
                    ScalarArgument.Write(place, Arguments[i]);
                    break;
            }
        }
        LaunchCounters counters = KernelLaunch.Run(entry, Grid, Block, DynamicShared, parameters, options);
        results = [.. addresses.Select((address, i) => new Span<byte>((void*)address, Buffers[i].Expected.Length).ToArray())];
        return counters;
    }

    private static nint Upload(GlobalMemory memory, MutationBuffer buffer)
    {
        nint address = memory.Allocate(buffer.Expected.Length);
        if (buffer.Initial is byte[] initial)
        {
            initial.CopyTo(new Span<byte>((void*)address, initial.Length));
            memory.MarkDefined(address, initial.Length);
        }
        return address;
    }
}
