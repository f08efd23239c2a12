using System.Collections;

namespace Llama4Kernels.PtxEmulator.Execution;

/// <summary>
/// Finds registers that some path reads before any write. Only these are watched while the kernel runs: a mask of written
/// lanes each, which their writers set and their readers check.
/// </summary>
internal static class Initialisation
{
    public static Step[] Check(Step[] steps, List<int[]> successors, int registers, int[] given, ref int size)
    {
        BitArray?[] before = Solve(steps, successors, registers, given);
        var watched = new Dictionary<int, int>();
        var suspicious = new bool[steps.Length];
        for (int i = 0; i < steps.Length; i++)
        {
            foreach (Slot slot in steps[i].Reads)
            {
                if (before[i] is BitArray known && !known[slot.Number])
                {
                    suspicious[i] = true;
                    if (watched.TryAdd(slot.Number, size))
                    {
                        size += sizeof(uint);
                    }
                }
            }
        }
        if (watched.Count == 0)
        {
            return steps;
        }
        return [.. steps.Select((step, i) =>
        {
            (int Mask, Slot Slot)[] reads = suspicious[i] ? Watched(step.Reads) : [];
            (int Mask, Slot Slot)[] writes = Watched(step.Writes);
            return reads.Length + writes.Length == 0 ? step : new WatchedStep(step, reads, writes);
        })];

        (int, Slot)[] Watched(IReadOnlyList<Slot> slots) =>
            [.. slots.Where(slot => watched.ContainsKey(slot.Number)).Select(slot => (watched[slot.Number], slot))];
    }

    /// <summary>Registers that are certainly written before each instruction; null where no path comes.</summary>
    private static BitArray?[] Solve(Step[] steps, List<int[]> successors, int registers, int[] given)
    {
        var before = new BitArray?[steps.Length];
        before[0] = new BitArray(registers);
        foreach (int parameter in given)
        {
            before[0]![parameter] = true;
        }
        var work = new Stack<int>([0]);
        while (work.TryPop(out int at))
        {
            var after = new BitArray(before[at]!);
            if (steps[at].Guard < 0)
            {
                foreach (Slot slot in steps[at].Writes)
                {
                    after[slot.Number] = true;
                }
            }
            foreach (int next in successors[at])
            {
                if (before[next] is not BitArray known)
                {
                    before[next] = new BitArray(after);
                    work.Push(next);
                    continue;
                }
                var met = new BitArray(known).And(after);
                if (!Same(met, known))
                {
                    before[next] = met;
                    work.Push(next);
                }
            }
        }
        return before;
    }

    private static bool Same(BitArray a, BitArray b) => !new BitArray(a).Xor(b).HasAnySet();
}

/// <summary>A step that reads registers which may not be written yet, or writes such ones.</summary>
internal sealed unsafe class WatchedStep : Step
{
    private readonly Step _step;
    private readonly (int Mask, Slot Slot)[] _reads;
    private readonly (int Mask, Slot Slot)[] _writes;

    public WatchedStep(Step step, (int Mask, Slot Slot)[] reads, (int Mask, Slot Slot)[] writes)
    {
        (_step, _reads, _writes) = (step, reads, writes);
        (Line, Pc, Opcode, Pipe, TensorOperations) = (step.Line, step.Pc, step.Opcode, step.Pipe, step.TensorOperations);
        (Guard, GuardNegated) = (step.Guard, step.GuardNegated);
        (Reads, Writes) = (step.Reads, step.Writes);
    }

    public override void Execute(Warp warp)
    {
        foreach ((int mask, Slot slot) in _reads)
        {
            uint missing = warp.Mask & ~*(uint*)(warp.Registers + mask);
            if (missing != 0)
            {
                int lane = System.Numerics.BitOperations.TrailingZeroCount(missing);
                throw warp.Finding(Findings.PtxFindingKind.Uninitialised, lane, $"{Opcode} reads a {slot.Bits}-bit register that nobody wrote.");
            }
        }
        foreach ((int mask, _) in _writes)
        {
            *(uint*)(warp.Registers + mask) |= warp.Mask;
        }
        _step.Execute(warp);
    }
}
