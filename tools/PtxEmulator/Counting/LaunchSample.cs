using Llama4Kernels.PtxEmulator.Driver;
using Llama4Kernels.PtxEmulator.Execution;
using Llama4Kernels.PtxEmulator.Findings;
using Llama4Kernels.PtxEmulator.Parsing;

namespace Llama4Kernels.PtxEmulator.Counting;

/// <summary>Counters of a launch, from some of its blocks.</summary>
/// <param name="Work">The time model's input, for the whole launch.</param>
/// <param name="SampledBlocks">Blocks that were run.</param>
/// <param name="Instructions">Warp instructions that were run for it.</param>
/// <param name="Registers">Registers of a thread that were assumed.</param>
public sealed record LaunchSample(KernelWork Work, long SampledBlocks, long Instructions, int Registers)
{
    /// <summary>Most registers that a text is taken to need which does not promise several blocks: far fewer than it declares, as assemblers show.</summary>
    private const int UsualRegisters = 64;

    private const int FewestBlocks = 16, MostBlocks = 4096;

    /// <summary>By how many of the blocks that were run a sector must be touched in the mean before anything follows from it.</summary>
    private const double MetOften = 1.25;

    /// <summary>Warp instructions of the sampled blocks after which no more are taken, unless there are fewer than sixteen blocks.</summary>
    public const long UsualBudget = 750_000;

    /// <summary>
    /// Runs blocks of a launch and scales what they did. Blocks must not wait for each other. Of each view no byte counts more than once in
    /// each direction as bytes from memory; how long its elements are is seen from where it is touched.
    /// </summary>
    /// <param name="launch">The launch.</param>
    /// <param name="views">Where the views begin that it was given, and how many elements they have.</param>
    /// <param name="device">The device.</param>
    /// <param name="budget">Warp instructions to run; 0 runs every block.</param>
    /// <exception cref="PtxFindingException">Something is wrong with the kernel.</exception>
    /// <exception cref="PtxNotImplementedException">The kernel has an instruction that is not executed.</exception>
    /// <exception cref="ArgumentException">A block does not fit a multiprocessor.</exception>
    public static LaunchSample Take(PlannedLaunch launch, IReadOnlyList<(nint Start, long Elements)> views, DeviceFigures device, long budget = UsualBudget)
    {
        ArgumentNullException.ThrowIfNull(launch);
        ArgumentNullException.ThrowIfNull(views);
        ArgumentNullException.ThrowIfNull(device);
        (KernelWork counts, Footprint footprint, long blocks) = Run(launch, budget);
        long all = launch.Grid.Count;
        (double read, double written) = Hbm(footprint, views, (double)all / blocks, blocks);

        int threads = (int)launch.Block.Count, registers = RegistersOf(launch.Kernel);
        int resident = device.ResidentBlocks(threads, registers, launch.SharedBytes);
        if (resident == 0)
        {
            throw new ArgumentException($"{launch.Name}: a block of {threads} threads with {registers} registers and {launch.SharedBytes} bytes of shared memory does not fit a multiprocessor of {device.Name}.");
        }
        long residentThreads = Math.Min(resident, (all + device.Processors - 1) / device.Processors) * threads;
        KernelWork work = counts.Times((double)all / blocks) with
        {
            Blocks = all,
            ResidentBlocks = resident,
            HbmReadBytes = read,
            HbmWriteBytes = written,
            BytesInFlight = LoadsInFlight.BytesPerThread(launch.Kernel.Function.Symbol) * residentThreads,
            EarlyLaunch = launch.IsDependentLaunch,
        };
        return new LaunchSample(work, blocks, (long)counts.Instructions, registers);
    }

    private static (KernelWork Counts, Footprint Footprint, long Blocks) Run(PlannedLaunch launch, long budget)
    {
        long all = launch.Grid.Count;
        var counts = new KernelWork { Blocks = all };
        var footprint = new Footprint();
        long done = 0;
        using IEnumerator<long> order = SampleOrder.Of(all).GetEnumerator();
        // As many again each time: the number of blocks depends on nothing but what they do.
        for (long part = FewestBlocks; done < all && (budget == 0 || done < FewestBlocks || (counts.Instructions < budget && done < MostBlocks)); part = done)
        {
            List<long> blocks = [];
            while ((budget == 0 || blocks.Count < part) && order.MoveNext())
            {
                blocks.Add(order.Current);
            }
            // In the grid's order, as others may be: what one block writes the next may read.
            blocks.Sort();
            LaunchCounters counters = KernelLaunch.Run(
                launch.Kernel, launch.Grid, launch.Block, launch.DynamicShared, launch.Parameters.Span,
                new LaunchOptions { CountMemory = true, CountFootprint = true, Blocks = blocks });
            counts = counts.Plus(new LaunchProfile(counters).Work(new KernelWork { Blocks = all }, long.MaxValue));
            footprint.Add(counters.Footprint!);
            done += blocks.Count;
        }
        return (counts with { Tensor = Merged(counts.Tensor) }, footprint, done);
    }

    private static TensorWork[] Merged(IReadOnlyList<TensorWork> tensor) =>
        [.. tensor.GroupBy(part => (part.ElementBits, part.WarpGroup)).Select(group => new TensorWork(group.Sum(part => part.Operations), group.Key.ElementBits, group.Key.WarpGroup))];

    private static (double Read, double Written) Hbm(Footprint footprint, IReadOnlyList<(nint Start, long Elements)> views, double scale, long blocks)
    {
        (nint Start, long Elements)[] sorted = [.. views.Where(view => view.Elements > 0).GroupBy(view => view.Start).Select(same => (same.Key, same.Max(view => view.Elements))).OrderBy(view => view.Key)];
        Traffic[] traffic = footprint.By([.. sorted.Select(view => view.Start)]);
        double read = 0, written = 0;
        for (int i = 0; i < traffic.Length; i++)
        {
            double most = i < sorted.Length ? SectorsOf(sorted[i].Elements, traffic[i].End) : double.PositiveInfinity;
            read += Whole(traffic[i].Reads, traffic[i].SectorsRead, most, scale, blocks);
            written += Whole(traffic[i].Writes, traffic[i].SectorsWritten, most, scale, blocks);
        }
        return (read * Hopper.SectorBytes, written * Hopper.SectorBytes);
    }

    /// <summary>Sectors of a view: its elements are of 1, 2, 4, … bytes, as many as reach to where it was touched last.</summary>
    private static double SectorsOf(long elements, long end)
    {
        double bytes = elements;
        while (bytes + Hopper.SectorBytes <= end)
        {
            bytes *= 2;
        }
        return Math.Ceiling(bytes / Hopper.SectorBytes);
    }

    /// <summary>
    /// Different sectors that all blocks touch. Blocks that touch parts of their own add up, to no more than there is. Where those that were looked
    /// at met often, the whole follows from how often: n blocks that each touch s of F at random meet F·(1 − (1 − s/F)ⁿ).
    /// </summary>
    private static double Whole(long touched, long different, double most, double scale, long blocks)
    {
        double sum = touched * scale;
        if (scale == 1 || touched == 0 || most < sum || touched < MetOften * different)
        {
            return scale == 1 ? different : Math.Min(sum, most);
        }
        double each = (double)touched / blocks, low = Math.Max(different, each), high = sum;
        for (int i = 0; i < 60; i++)
        {
            double middle = (low + high) / 2;
            double met = middle * (1 - Math.Pow(1 - Math.Min(1, each / middle), blocks));
            (low, high) = met < different ? (middle, high) : (low, middle);
        }
        return high;
    }

    private static int RegistersOf(PtxKernel kernel)
    {
        int threads = kernel.MaxThreads;
        return kernel.Function.Symbol.Directives.GetValueOrDefault("minnctapersm") is [int blocks and > 1, ..]
            ? Math.Min(kernel.Registers, Hopper.MostRegisters(Math.Min(threads * blocks, Hopper.Warps * Hopper.WarpThreads)))
            : Math.Min(Math.Min(kernel.Registers, UsualRegisters), Hopper.MostRegisters(threads));
    }
}
