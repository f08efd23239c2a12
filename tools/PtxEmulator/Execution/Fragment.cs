namespace Llama4Kernels.PtxEmulator.Execution;

/// <summary>A point where lanes that went apart meet again: the immediate post-dominator of the branch, or the return of a call.</summary>
internal sealed class Join(int pc, Frame frame, uint expected, Join? parent, bool isCall)
{
    public int Pc { get; } = pc;

    public Frame Frame { get; } = frame;

    /// <summary>Lanes that have not exited or left another way.</summary>
    public uint Expected { get; set; } = expected;

    public uint Arrived { get; set; }

    public Join? Parent { get; } = parent;

    /// <summary>The lanes come back from a function.</summary>
    public bool IsCall { get; } = isCall;
}

/// <summary>What lanes that stand together wait for.</summary>
internal enum FragmentState
{
    Ready,

    /// <summary>For the other lanes of a warp-wide instruction.</summary>
    Lanes,

    /// <summary>For a barrier of the block.</summary>
    Barrier,

    /// <summary>For the end of the grids before.</summary>
    Grid,
}

/// <summary>Lanes of a warp that execute together.</summary>
internal sealed class Fragment(Frame frame, int pc, uint mask, Join? join)
{
    public Frame Frame { get; set; } = frame;

    public int Pc { get; set; } = pc;

    public uint Mask { get; set; } = mask;

    public Join? Join { get; set; } = join;

    public FragmentState State { get; set; }

    /// <summary>The instruction it waits at, and the lanes that this names.</summary>
    public Step? Waiting { get; set; }

    public uint Named { get; set; }
}

/// <summary>A function's registers and its place in local memory.</summary>
internal sealed unsafe class Frame(PtxFunction function, byte* registers, int localBase, Frame? caller)
{
    public PtxFunction Function { get; } = function;

    public byte* Registers { get; } = registers;

    public int LocalBase { get; } = localBase;

    public Frame? Caller { get; } = caller;

    /// <summary>Hands the results of the lanes that return to the caller.</summary>
    public Action<uint>? GiveResults { get; set; }
}
