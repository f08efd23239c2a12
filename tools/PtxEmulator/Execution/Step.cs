namespace Llama4Kernels.PtxEmulator.Execution;

/// <summary>A decoded instruction: it executes for the active lanes of a warp.</summary>
internal abstract class Step
{
    public int Line { get; set; }

    public int Pc { get; set; }

    public string Opcode { get; set; } = "";

    public Pipe Pipe { get; set; } = Pipe.Alu;

    /// <summary>Slot of the guard's predicate, or -1.</summary>
    public int Guard { get; set; } = -1;

    public bool GuardNegated { get; set; }

    /// <summary>The text says <c>.uni</c>: lanes that execute it together all go the same way.</summary>
    public bool Uniform { get; set; }

    /// <summary>Registers read, for the check of uninitialised ones.</summary>
    public IReadOnlyList<Slot> Reads { get; set; } = [];

    public IReadOnlyList<Slot> Writes { get; set; } = [];

    /// <summary>Floating-point operations of a matrix instruction.</summary>
    public long TensorOperations { get; set; }

    /// <summary>A store or an atomic operation; it writes where it accesses memory.</summary>
    public bool WritesMemory => Opcode.StartsWith("st.", StringComparison.Ordinal) || Opcode.StartsWith("red.", StringComparison.Ordinal) || Opcode.StartsWith("atom.", StringComparison.Ordinal);

    public abstract void Execute(Warp warp);
}

/// <summary>Place of a register in a frame: 32 lanes of 32 or 64 bits, or for predicates one mask.</summary>
/// <param name="Offset">Byte offset.</param>
/// <param name="Bits">Width of the register.</param>
/// <param name="Number">Number of the register, or -1 for a constant.</param>
internal readonly record struct Slot(int Offset, int Bits, int Number);
