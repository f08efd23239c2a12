namespace Llama4Kernels.PtxEmulator.Findings;

/// <summary>What the emulator found wrong with a running kernel.</summary>
public enum PtxFindingKind
{
    /// <summary>An access beyond an allocation, a shared array, a parameter or the local frame.</summary>
    OutOfBounds,

    /// <summary>An address that is no multiple of the access's size.</summary>
    Misaligned,

    /// <summary>A register or byte was read that nobody wrote.</summary>
    Uninitialised,

    /// <summary>Two threads used the same shared bytes, one writing, with nothing that orders them.</summary>
    Race,

    /// <summary>Threads of a warp that reach an aligned instruction apart, or a warp-wide one whose mask does not name them.</summary>
    Divergence,

    /// <summary>Bytes of an asynchronous copy were used before a wait covered it, or the copy was never waited for.</summary>
    MissingWait,

    /// <summary>No thread of the block can go on.</summary>
    Deadlock,

    /// <summary>Memory of the host was freed or written over while work that uses it was under way.</summary>
    InFlight,

    /// <summary>A launch that is not what the head of the kernel's module says: its block, shared memory, cluster or arguments.</summary>
    Launch,

    /// <summary>The kernel executed <c>trap</c>, or a value that PTX does not define.</summary>
    Trap,
}

/// <summary>One thing found, with its place.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Kernel">Name of the entry.</param>
/// <param name="Line">Line of the PTX text, from 1.</param>
/// <param name="Block">The block, as x, y, z.</param>
/// <param name="Thread">The thread's number in its block (x fastest).</param>
/// <param name="Message">What happened.</param>
public sealed record PtxFinding(PtxFindingKind Kind, string Kernel, int Line, (int X, int Y, int Z) Block, int Thread, string Message)
{
    /// <inheritdoc/>
    public override string ToString() =>
        $"{Kind} in {Kernel}, line {Line}, block ({Block.X}, {Block.Y}, {Block.Z}), thread {Thread}: {Message}";
}
