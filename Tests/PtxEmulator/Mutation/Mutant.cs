namespace Llama4Kernels.Tests.PtxEmulator.Mutation;

/// <summary>What is done to a kernel's text.</summary>
internal enum MutationKind
{
    /// <summary>A barrier of the block or the warp is gone.</summary>
    DeleteBarrier,

    /// <summary>A wait for asynchronous copies is gone.</summary>
    DeleteWait,

    /// <summary>A commit of asynchronous copies is gone.</summary>
    DeleteCommit,

    /// <summary>A wait leaves one group more under way.</summary>
    RaiseWait,

    /// <summary>An arrival at a barrier is gone.</summary>
    DeleteArrive,

    /// <summary>A store is gone.</summary>
    DropStore,

    /// <summary>The offset of an access moves by its width, 4, 16 or 64 bytes.</summary>
    AccessOffset,

    /// <summary>A constant of an index moves by 1, 4, 16 or 64.</summary>
    IndexConstant,

    /// <summary>A multiplier of an index moves by one.</summary>
    IndexScale,

    /// <summary>A shift of an index moves by one.</summary>
    IndexShift,

    /// <summary>A sum of an index becomes a difference.</summary>
    IndexSign,

    /// <summary>A difference is taken the other way round.</summary>
    SwapSub,

    /// <summary>A comparison of integers includes or excludes its bound, or its constant moves by one.</summary>
    Bound,

    /// <summary>A shuffle's distance, mode, clamp or mask of members.</summary>
    Shuffle,

    /// <summary>A guard is negated.</summary>
    NegateGuard,

    /// <summary>A minimum becomes a maximum or the reverse.</summary>
    MinMax,

    /// <summary>A sum becomes a difference or the reverse, outside of indices.</summary>
    AddSub,

    /// <summary>Two registers of a matrix fragment change places.</summary>
    FragmentOrder,

    /// <summary>A branch at which lanes go apart is marked as uniform.</summary>
    MarkUniform,
}

/// <summary>A kernel's text with one line changed.</summary>
/// <param name="Kind">What was done.</param>
/// <param name="Line">The line, from 1.</param>
/// <param name="Before">The line's instruction as it was.</param>
/// <param name="After">What stands there now; empty if nothing does.</param>
/// <param name="Text">The whole text.</param>
internal sealed record Mutant(MutationKind Kind, int Line, string Before, string After, string Text)
{
    public override string ToString() => $"{Kind}, line {Line}: {Before} -> {(After.Length == 0 ? "(nothing)" : After)}";
}
