using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.PtxEmulator.Findings;

namespace Llama4Kernels.PtxEmulator.Execution;

/// <summary>What all blocks of a launch share.</summary>
internal sealed unsafe class LaunchState(KernelStart start, byte* parameters, LaunchOptions options)
{
    public PtxKernel Kernel { get; } = start.Kernel;

    public GlobalMemory Memory { get; } = start.Kernel.Program.Memory;

    public CudaDim3 Grid { get; } = start.Grid;

    public CudaDim3 Block { get; } = start.Block;

    public int DynamicShared { get; } = start.DynamicShared;

    public int SharedBytes { get; } = start.Kernel.Program.DynamicSharedOffset + start.DynamicShared;

    public byte* Parameters { get; } = parameters;

    public LaunchOptions Options { get; } = options;

    /// <summary>Blocks to run.</summary>
    public long BlockCount => Options.Blocks?.Count ?? Grid.Count;

    /// <summary>The number in the grid of the i-th block to run.</summary>
    public long BlockNumber(long index) => Options.Blocks is IReadOnlyList<long> some ? some[(int)index] : index;

    /// <summary>The grid among those that it may overlap, or null.</summary>
    public DependentGrid? Dependent { get; } = start.Dependent;

    /// <summary>Bytes of a thread's stack: recursion needs more than the frames of all functions.</summary>
    public int LocalBytes { get; } = start.Kernel.StackBytes;
}

/// <summary>A launch to be run.</summary>
/// <param name="Kernel">The kernel.</param>
/// <param name="Grid">Blocks.</param>
/// <param name="Block">Threads of a block.</param>
/// <param name="DynamicShared">Bytes of dynamic shared memory.</param>
/// <param name="Parameters">The parameter block, <see cref="PtxKernel.ParameterBytes"/> bytes.</param>
/// <param name="Dependent">The grid among those that it may overlap, or null.</param>
internal sealed record KernelStart(PtxKernel Kernel, CudaDim3 Grid, CudaDim3 Block, int DynamicShared, ReadOnlyMemory<byte> Parameters, DependentGrid? Dependent = null);

/// <summary>Runs grids: blocks in order over the cores; a block that spins gives its core to others in between.</summary>
internal static unsafe class KernelLaunch
{
    /// <summary>Runs one grid.</summary>
    /// <param name="kernel">The kernel.</param>
    /// <param name="grid">Blocks.</param>
    /// <param name="block">Threads of a block.</param>
    /// <param name="dynamicShared">Bytes of dynamic shared memory.</param>
    /// <param name="parameters">The parameter block, <see cref="PtxKernel.ParameterBytes"/> bytes.</param>
    /// <param name="options">How.</param>
    /// <exception cref="PtxFindingException">Something is wrong with the kernel.</exception>
    /// <exception cref="PtxNotImplementedException">The kernel has an instruction that is not executed.</exception>
    public static LaunchCounters Run(PtxKernel kernel, CudaDim3 grid, CudaDim3 block, int dynamicShared, ReadOnlySpan<byte> parameters, LaunchOptions options) =>
        Run([new KernelStart(kernel, grid, block, dynamicShared, parameters.ToArray())], options)[0];

    /// <summary>
    /// Runs grids of one stream, each of which but the first may overlap the one before: a grid starts when
    /// its predecessor has triggered, and which blocks take their turn is the seed's choice.
    /// </summary>
    /// <param name="chain">The launches in order; several must have a <see cref="KernelStart.Dependent"/>.</param>
    /// <param name="options">How.</param>
    /// <exception cref="PtxFindingException">Something is wrong with a kernel.</exception>
    /// <exception cref="PtxNotImplementedException">A kernel has an instruction that is not executed.</exception>
    public static LaunchCounters[] Run(IReadOnlyList<KernelStart> chain, LaunchOptions options)
    {
        if (options.Blocks is not null && (chain.Count > 1 || options.Blocks.Any(block => block < 0 || block >= chain[0].Grid.Count)))
        {
            throw new ArgumentException("Single blocks are run of one grid that has them.", nameof(options));
        }
        foreach (KernelStart start in chain)
        {
            if (start.Parameters.Length != start.Kernel.ParameterBytes)
            {
                throw new ArgumentException($"{start.Kernel.Name} takes {start.Kernel.ParameterBytes} bytes of parameters, not {start.Parameters.Length}.", nameof(chain));
            }
            if (chain.Count > 1 && start.Dependent is null)
            {
                throw new ArgumentException($"{start.Kernel.Name} is one of several grids and nothing says how they depend on each other.", nameof(chain));
            }
            start.Kernel.Decode();
        }
        var copies = new byte*[chain.Count];
        var launches = new LaunchState[chain.Count];
        try
        {
            for (int i = 0; i < chain.Count; i++)
            {
                ReadOnlySpan<byte> parameters = chain[i].Parameters.Span;
                copies[i] = (byte*)NativeMemory.AlignedAlloc((nuint)Math.Max(parameters.Length, 1), 64);
                parameters.CopyTo(new Span<byte>(copies[i], parameters.Length));
                launches[i] = new LaunchState(chain[i], copies[i], options);
            }
            return Run(launches, options);
        }
        finally
        {
            foreach (byte* copy in copies)
            {
                NativeMemory.AlignedFree(copy);
            }
        }
    }

    private static LaunchCounters[] Run(LaunchState[] chain, LaunchOptions options)
    {
        long blocks = chain.Sum(launch => launch.BlockCount);
        int count = (int)Math.Min(blocks, options.Workers > 0 ? options.Workers : Environment.ProcessorCount);
        var queue = new BlockQueue(chain);
        LaunchWorker[] workers = [.. Enumerable.Range(0, count).Select(i => new LaunchWorker(chain, queue, i))];
        ExceptionDispatchInfo? failure = null;
        void Work(int worker)
        {
            try
            {
                workers[worker].Run(() => Volatile.Read(ref failure) is not null);
            }
            catch (Exception exception)
            {
                // The first failure ends the launch; it is thrown on the caller's thread below.
                Interlocked.CompareExchange(ref failure, ExceptionDispatchInfo.Capture(exception), null);
            }
        }
        if (count == 1)
        {
            Work(0);
        }
        else
        {
            Parallel.For(0, count, new ParallelOptions { MaxDegreeOfParallelism = count }, Work);
        }
        failure?.Throw();
        return [.. chain.Select((_, grid) => BlockCounters.Merge([.. workers.Select(worker => worker.Counters[grid])]))];
    }
}
