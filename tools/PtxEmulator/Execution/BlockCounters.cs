namespace Llama4Kernels.PtxEmulator.Execution;

/// <summary>What the memory accesses of one instruction did.</summary>
internal struct MemoryCounts
{
    public long Sectors;
    public long GlobalBytes;
    public long Wavefronts;
    public long Conflicts;
    public long SharedBytes;
    public long Divergent;
}

/// <summary>Counts of one worker.</summary>
internal sealed class BlockCounters(bool countFootprint)
{
    private readonly Dictionary<PtxFunction, (long[] Executions, long[] Lanes, MemoryCounts[] Memory)> _functions = [];

    /// <summary>The sectors that were touched, if that was asked for.</summary>
    public Footprint? Footprint { get; } = countFootprint ? new Footprint() : null;

    public long[] Executions(PtxFunction function) => Of(function).Executions;

    public long[] Lanes(PtxFunction function) => Of(function).Lanes;

    public ref MemoryCounts Memory(Warp warp) => ref Of(warp.Frame.Function).Memory[warp.Running.Pc];

    private (long[] Executions, long[] Lanes, MemoryCounts[] Memory) Of(PtxFunction function)
    {
        if (!_functions.TryGetValue(function, out (long[], long[], MemoryCounts[]) counts))
        {
            int length = function.Code.Length;
            _functions.Add(function, counts = (new long[length], new long[length], new MemoryCounts[length]));
        }
        return counts;
    }

    /// <summary>Adds up the workers' counts by instruction.</summary>
    public static LaunchCounters Merge(IReadOnlyList<BlockCounters> workers)
    {
        var lines = new SortedDictionary<(string Function, int Pc), LineCounters>();
        foreach ((PtxFunction function, (long[] executions, long[] lanes, MemoryCounts[] memory)) in workers.SelectMany(worker => worker._functions))
        {
            foreach (Step step in function.Code)
            {
                if (executions[step.Pc] == 0)
                {
                    continue;
                }
                if (!lines.TryGetValue((function.Name, step.Pc), out LineCounters? line))
                {
                    lines.Add((function.Name, step.Pc), line = new LineCounters { Line = step.Line, Opcode = step.Opcode, Pipe = step.Pipe });
                }
                MemoryCounts counts = memory[step.Pc];
                line.Executions += executions[step.Pc];
                line.Lanes += lanes[step.Pc];
                line.Sectors += counts.Sectors;
                line.GlobalBytes += counts.GlobalBytes;
                line.Wavefronts += counts.Wavefronts;
                line.BankConflicts += counts.Conflicts;
                line.SharedBytes += counts.SharedBytes;
                line.Divergent += counts.Divergent;
                line.TensorOperations += executions[step.Pc] * step.TensorOperations;
            }
        }
        Footprint? footprint = null;
        foreach (Footprint part in workers.Select(worker => worker.Footprint).OfType<Footprint>())
        {
            (footprint ??= new Footprint()).Add(part);
        }
        return new LaunchCounters { Footprint = footprint, Lines = [.. lines.Values.OrderBy(line => line.Line)] };
    }
}
