namespace Llama4Kernels.PtxEmulator.Execution;

/// <summary>The hardware unit that executes an instruction.</summary>
public enum Pipe
{
    /// <summary>float32 add, multiply, fused multiply-add.</summary>
    Fma,

    /// <summary>Integer, logic, compare, select, move, conversions of the integer unit.</summary>
    Alu,

    /// <summary>Special functions and conversions at a quarter rate.</summary>
    Mufu,

    /// <summary>float64.</summary>
    Fp64,

    /// <summary>Loads, stores, atomics, shuffles.</summary>
    Lsu,

    /// <summary>Matrix instructions.</summary>
    Tensor,

    /// <summary>Branches, barriers, votes.</summary>
    Control,
}

/// <summary>Counts of one line of a kernel.</summary>
public sealed class LineCounters
{
    /// <summary>Line of the PTX text.</summary>
    public int Line { get; init; }

    /// <summary>The instruction's opcode.</summary>
    public string Opcode { get; init; } = "";

    /// <summary>Its unit.</summary>
    public Pipe Pipe { get; init; }

    /// <summary>Times a warp executed it.</summary>
    public long Executions { get; set; }

    /// <summary>Active lanes, summed over the executions.</summary>
    public long Lanes { get; set; }

    /// <summary>Sectors of 32 bytes that its global accesses touched.</summary>
    public long Sectors { get; set; }

    /// <summary>Bytes its global accesses asked for.</summary>
    public long GlobalBytes { get; set; }

    /// <summary>Passes of its shared accesses through the banks.</summary>
    public long Wavefronts { get; set; }

    /// <summary>Passes beyond those that the bytes need.</summary>
    public long BankConflicts { get; set; }

    /// <summary>Bytes its shared accesses asked for.</summary>
    public long SharedBytes { get; set; }

    /// <summary>Times that lanes of a warp went apart at this branch.</summary>
    public long Divergent { get; set; }

    /// <summary>Floating-point operations of a matrix instruction.</summary>
    public long TensorOperations { get; set; }
}

/// <summary>What a launch did.</summary>
public sealed class LaunchCounters
{
    /// <summary>One per instruction that was executed, in the order of the text.</summary>
    public IReadOnlyList<LineCounters> Lines { get; init; } = [];

    /// <summary>Sectors of global memory that were touched; null unless <see cref="LaunchOptions.CountFootprint"/> was set.</summary>
    public Footprint? Footprint { get; init; }

    /// <summary>Warp instructions.</summary>
    public long Instructions => Lines.Sum(line => line.Executions);
}
