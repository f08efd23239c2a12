using Llama4Kernels.PtxEmulator.Execution;

namespace Llama4Kernels.PtxEmulator.Counting;

/// <summary>A launch's counters added up.</summary>
/// <param name="counters">Counters of a launch with <see cref="LaunchOptions.CountMemory"/>.</param>
public sealed class LaunchProfile(LaunchCounters counters)
{
    private static readonly HashSet<string> s_bytes = ["s8", "u8", "e4m3", "e5m2"];

    /// <summary>The counters by line.</summary>
    public IReadOnlyList<LineCounters> Lines { get; } = counters.Lines;

    /// <summary>Warp instructions.</summary>
    public long Instructions => Lines.Sum(line => line.Executions);

    /// <summary>Mean number of active lanes, up to 32.</summary>
    public double ActiveLanes => Ratio(Lines.Sum(line => line.Lanes), Instructions);

    /// <summary>Warp instructions that accessed global memory.</summary>
    public long GlobalRequests => Lines.Where(line => line.Sectors > 0).Sum(line => line.Executions);

    /// <summary>Bytes that lanes read from global memory.</summary>
    public long GlobalReadBytes => Lines.Where(line => !Writes(line)).Sum(line => line.GlobalBytes);

    /// <summary>Bytes that lanes wrote to global memory, atomics included.</summary>
    public long GlobalWriteBytes => Lines.Where(Writes).Sum(line => line.GlobalBytes);

    /// <summary>Sectors of the reads.</summary>
    public long ReadSectors => Lines.Where(line => !Writes(line)).Sum(line => line.Sectors);

    /// <summary>Sectors of the writes, atomics included.</summary>
    public long WriteSectors => Lines.Where(Writes).Sum(line => line.Sectors);

    /// <summary>Sectors of a request in the mean.</summary>
    public double SectorsPerRequest => Ratio(ReadSectors + WriteSectors, GlobalRequests);

    /// <summary>Bytes asked for over bytes moved; above 1 where lanes ask for the same bytes.</summary>
    public double SectorEfficiency => Ratio(GlobalReadBytes + GlobalWriteBytes, (ReadSectors + WriteSectors) * Hopper.SectorBytes);

    /// <summary>Warp instructions that accessed shared memory.</summary>
    public long SharedRequests => Lines.Where(line => line.Wavefronts > 0).Sum(line => line.Executions);

    /// <summary>Bytes that lanes moved to and from shared memory.</summary>
    public long SharedBytes => Lines.Sum(line => line.SharedBytes);

    /// <summary>Passes through the banks of shared memory.</summary>
    public long Wavefronts => Lines.Sum(line => line.Wavefronts);

    /// <summary>Passes beyond those that the bytes need.</summary>
    public long BankConflicts => Lines.Sum(line => line.BankConflicts);

    /// <summary>Operations of matrix instructions; a multiply-add is two.</summary>
    public long TensorOperations => Lines.Sum(line => line.TensorOperations);

    /// <summary>Warp instructions of a unit.</summary>
    public long On(Pipe pipe) => Lines.Where(line => line.Pipe == pipe).Sum(line => line.Executions);

    /// <summary>The time model's input.</summary>
    /// <param name="launch">Blocks, resources and bytes in flight; its counts are replaced.</param>
    /// <param name="bufferBytes">Bytes of all buffers: what is read or written more than once comes from L2.</param>
    public KernelWork Work(KernelWork launch, long bufferBytes)
    {
        ArgumentNullException.ThrowIfNull(launch);
        return launch with
        {
            HbmReadBytes = Math.Min(ReadSectors * Hopper.SectorBytes, bufferBytes),
            HbmWriteBytes = Math.Min(WriteSectors * Hopper.SectorBytes, bufferBytes),
            L2Bytes = (ReadSectors + WriteSectors) * Hopper.SectorBytes,
            Wavefronts = Wavefronts,
            Instructions = Instructions,
            IntegerInstructions = On(Pipe.Alu),
            FmaInstructions = On(Pipe.Fma),
            SpecialInstructions = On(Pipe.Mufu),
            DoubleInstructions = On(Pipe.Fp64),
            MemoryInstructions = On(Pipe.Lsu),
            Tensor = [.. Lines.Where(line => line.TensorOperations > 0).Select(Tensor)],
        };
    }

    private static TensorWork Tensor(LineCounters line)
    {
        string[] opcode = line.Opcode.Split('.');
        bool group = opcode[0] == "wgmma";
        // FP8 operands of mma.sync are widened and multiplied at the rate of f16.
        int bits = opcode.Contains("f64") ? 64
            : opcode.Contains("tf32") ? 32
            : opcode.Any(part => part is "s8" or "u8" || (group && s_bytes.Contains(part))) ? 8
            : 16;
        return new TensorWork(line.TensorOperations, bits, group);
    }

    private static bool Writes(LineCounters line) => line.Opcode.Split('.')[0] is "st" or "red" or "atom";

    private static double Ratio(long value, long of) => of == 0 ? 0 : (double)value / of;
}
