using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;

namespace Llama4Kernels.Kernels.ExpertRouting;

/// <summary><see cref="TopKRouting"/> on a device.</summary>
internal static class TopKRoutingCuda
{
    internal static readonly KernelOption[] Kernels =
    [
        new("RouteTopK", "route_topk", "a group per row"),
        new("RouteTopK", "route_group", "a group per expert finds the rows that chose it, in order"),
    ];

    /// <summary>As <see cref="TopKRouting.Run"/>, on a device; the rows are also put into the order of their experts.</summary>
    /// <exception cref="ArgumentException">Shapes differ, too many rows, or the routing is another backend's.</exception>
    public static void Run(CudaQueue queue, Tensor routerLogits, Routing routing)
    {
        CudaRouting target = CudaRouting.Require(routing);
        ShapeCheck.Require(routerLogits, MemoryPlace.Device, routerLogits.Rows, routing.ExpertCount, nameof(routerLogits));
        if (routerLogits.Rows > target.MaxRows)
        {
            throw new ArgumentException($"{routerLogits.Rows} rows do not fit a routing of {target.MaxRows}.", nameof(routerLogits));
        }
        target.SetRows(routerLogits.Rows);
        int slots = target.Slots;
        queue.Call("route_topk").View(routerLogits).View(target.ExpertAddress, slots).View(target.ScoreAddress, slots)
            .Value(target.ExpertCount).Value(target.TopK).Run(new(routerLogits.Rows), KernelCall.ThreadsFor(target.ExpertCount));
        if (slots > 0)
        {
            queue.Call("route_group").View(target.ExpertAddress, slots).View(target.StartAddress, target.ExpertCount + 1).View(target.OrderAddress, slots)
                .View(target.InverseAddress, slots).View(target.RowExpertAddress, slots).Value(slots).Value(target.ExpertCount)
                .Run(new(target.ExpertCount), KernelCall.ThreadsFor(slots));
        }
    }
}
