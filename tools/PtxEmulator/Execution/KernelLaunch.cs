using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.PtxEmulator.Findings;

namespace Llama4Kernels.PtxEmulator.Execution;

/// <summary>What all blocks of a launch share.</summary>
internal sealed unsafe class LaunchState(PtxKernel kernel, CudaDim3 grid, CudaDim3 block, int dynamicShared, byte* parameters, LaunchOptions options)
{
    public PtxKernel Kernel { get; } = kernel;

    public GlobalMemory Memory { get; } = kernel.Program.Memory;

    public CudaDim3 Grid { get; } = grid;

    public CudaDim3 Block { get; } = block;

    public int DynamicShared { get; } = dynamicShared;

    public int SharedBytes { get; } = kernel.Program.DynamicSharedOffset + dynamicShared;

    public byte* Parameters { get; } = parameters;

    public LaunchOptions Options { get; } = options;

    /// <summary>Bytes of a thread's stack: recursion needs more than the frames of all functions.</summary>
    public int LocalBytes { get; } = kernel.StackBytes;
}

/// <summary>Runs a grid: blocks in order over the cores; a block that spins gives its core to others in between.</summary>
internal static unsafe class KernelLaunch
{
    private const int Slice = 4_000_000;

    /// <param name="kernel">The kernel.</param>
    /// <param name="grid">Blocks.</param>
    /// <param name="block">Threads of a block.</param>
    /// <param name="dynamicShared">Bytes of dynamic shared memory.</param>
    /// <param name="parameters">The parameter block, <see cref="PtxKernel.ParameterBytes"/> bytes.</param>
    /// <param name="options">How.</param>
    /// <exception cref="PtxFindingException">Something is wrong with the kernel.</exception>
    /// <exception cref="PtxNotImplementedException">The kernel has an instruction that is not executed.</exception>
    public static LaunchCounters Run(PtxKernel kernel, CudaDim3 grid, CudaDim3 block, int dynamicShared, ReadOnlySpan<byte> parameters, LaunchOptions options)
    {
        if (parameters.Length != kernel.ParameterBytes)
        {
            throw new ArgumentException($"{kernel.Name} takes {kernel.ParameterBytes} bytes of parameters, not {parameters.Length}.", nameof(parameters));
        }
        kernel.Decode();
        var copy = (byte*)NativeMemory.AlignedAlloc((nuint)Math.Max(parameters.Length, 1), 64);
        try
        {
            parameters.CopyTo(new Span<byte>(copy, parameters.Length));
            return Run(new LaunchState(kernel, grid, block, dynamicShared, copy, options));
        }
        finally
        {
            NativeMemory.AlignedFree(copy);
        }
    }

    private static LaunchCounters Run(LaunchState launch)
    {
        long blocks = launch.Grid.Count;
        int workers = (int)Math.Min(blocks, launch.Options.Workers > 0 ? launch.Options.Workers : Environment.ProcessorCount);
        var counters = new BlockCounters[workers];
        long next = -1;
        ExceptionDispatchInfo? failure = null;
        void Work(int worker)
        {
            counters[worker] = new BlockCounters();
            using var frames = new FramePool();
            var live = new Queue<Block>();
            try
            {
                while (Volatile.Read(ref failure) is null)
                {
                    long number = live.Count < launch.Options.ResidentBlocks ? Interlocked.Increment(ref next) : blocks;
                    if (number < blocks)
                    {
                        live.Enqueue(new Block(launch, number, frames, counters[worker]));
                    }
                    if (!live.TryPeek(out Block? block))
                    {
                        return;
                    }
                    block.Run(Slice);
                    live.Dequeue();
                    if (!block.IsDone)
                    {
                        live.Enqueue(block);
                        continue;
                    }
                    block.Dispose();
                    if (live.Count == 0)
                    {
                        frames.Recycle();
                    }
                }
            }
            catch (Exception exception)
            {
                // The first failure ends the launch; it is thrown on the caller's thread below.
                Interlocked.CompareExchange(ref failure, ExceptionDispatchInfo.Capture(exception), null);
            }
            finally
            {
                foreach (Block block in live)
                {
                    block.Dispose();
                }
            }
        }
        if (workers == 1)
        {
            Work(0);
        }
        else
        {
            Parallel.For(0, workers, new ParallelOptions { MaxDegreeOfParallelism = workers }, Work);
        }
        failure?.Throw();
        return BlockCounters.Merge(counters);
    }
}
