using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.ExpertRouting;

/// <summary>
/// Choice of experts. routerLogits [T, E] → experts [T, k], scores [T, k]. Equal logits go to the lower index; NaN counts as
/// less than −∞, so it is chosen last, with score 0.
/// </summary>
internal static partial class TopKRouting
{
    /// <summary>The k largest logits of each row, best first, with their sigmoids (not normalised).</summary>
    /// <exception cref="ArgumentException">Shapes differ, too many rows, or the routing is another backend's.</exception>
    public static void Run(ThreadTeam team, Tensor routerLogits, Routing routing)
    {
        CpuRouting target = Require(routing);
        ShapeCheck.Require(routerLogits, MemoryPlace.Host, routerLogits.Rows, routing.ExpertCount, nameof(routerLogits));
        if (routerLogits.Rows > target.MaxRows)
        {
            throw new ArgumentException($"{routerLogits.Rows} rows do not fit a routing of {target.MaxRows}.", nameof(routerLogits));
        }
        target.SetRows(routerLogits.Rows);
        RunCpu(team, routerLogits, target);
    }

    /// <summary>The host routing behind <paramref name="routing"/>.</summary>
    internal static CpuRouting Require(Routing routing) => routing as CpuRouting
        ?? throw new ArgumentException($"The routing is a {routing.GetType().Name}; make it with this backend's CreateRouting.", nameof(routing));
}
