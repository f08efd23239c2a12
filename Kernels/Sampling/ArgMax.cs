using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.Sampling;

/// <summary>
/// The column of each row's largest value, x [T, columns] → ids [T]: of equals the lowest, −1 for a row with NaN or +∞ or with
/// −∞ only, from which no token can be chosen.
/// </summary>
internal static partial class ArgMax
{
    /// <summary>Fills <paramref name="ids"/>; 4·T·columns bytes are read.</summary>
    /// <exception cref="ArgumentException">The tensor is not float32 on the host, or there is not an id per row.</exception>
    public static void Run(ThreadTeam team, Tensor x, Span<int> ids)
    {
        Require(x, MemoryPlace.Host, ids);
        if (x.Rows > 0)
        {
            RunCpu(team, x, ids);
        }
    }

    /// <summary>What the operation takes, wherever it runs.</summary>
    internal static void Require(Tensor x, MemoryPlace place, ReadOnlySpan<int> ids)
    {
        ShapeCheck.Require(x, place, x.Rows, x.Columns, nameof(x));
        ShapeCheck.Require(ids.Length == x.Rows, "A place for an id is needed for each row.", nameof(ids));
    }
}
