namespace Llama4Kernels.Kernels.Threading;

/// <summary>Work that a <see cref="ThreadTeam"/> splits into numbered items.</summary>
public interface ITeamJob
{
    /// <summary>
    /// Does item <paramref name="item"/>, at the same time as others and in no order that may be relied on: what it writes must
    /// depend on the item alone. It must not run a team itself. An exception ends the run: no further items are handed out, and
    /// <see cref="ThreadTeam.Run"/> throws it.
    /// </summary>
    /// <param name="item">Item number, 0 … count − 1.</param>
    /// <param name="worker">The executing thread, 0 … Threads − 1; no two items run on one worker at a time.</param>
    void Execute(int item, int worker);
}
