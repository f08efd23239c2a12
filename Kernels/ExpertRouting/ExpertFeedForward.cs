using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.ExpertRouting;

/// <summary>
/// Routed experts. x, output [T, D]; expert e has gateUp [2F, D] and down [D, F]. The score multiplies the expert's input.
/// Rows are gathered per expert, so each chosen expert's weights are read once: 6·T·k·D·F FLOPs. Results are added in
/// the order of a row's slots, whatever the order of experts or threads.
/// </summary>
internal static partial class ExpertFeedForward
{
    /// <summary>output += Σ down( swiglu( gateUp · (score · x) ) ) over the chosen experts of each row.</summary>
    /// <exception cref="ArgumentException">Shapes differ, or the routing is another backend's or of another batch.</exception>
    public static void Run(ThreadTeam team, CpuLinear linear, CpuScratch scratch, Tensor x, Routing routing, ReadOnlySpan<ExpertWeights> experts, Tensor output)
    {
        CpuRouting route = TopKRouting.Require(routing);
        RunCpu(team, linear, scratch, x, route, experts, Check(MemoryPlace.Host, x, routing, experts, output), output);
    }

    /// <summary>Checks shapes and gives the experts' width F.</summary>
    internal static int Check(MemoryPlace place, Tensor x, Routing routing, ReadOnlySpan<ExpertWeights> experts, Tensor output)
    {
        ShapeCheck.Require(x, place, x.Rows, x.Columns, nameof(x));
        ShapeCheck.Require(output, place, x.Rows, x.Columns, nameof(output));
        if (routing.Rows != x.Rows)
        {
            throw new ArgumentException($"The routing holds {routing.Rows} rows, the batch {x.Rows}.", nameof(routing));
        }
        if (experts.Length != routing.ExpertCount)
        {
            throw new ArgumentException($"{experts.Length} experts given, the router chooses among {routing.ExpertCount}.", nameof(experts));
        }
        int width = experts[0].Down.Columns;
        foreach (ExpertWeights expert in experts)
        {
            if (expert.GateUp.Rows != 2 * width || expert.GateUp.Columns != x.Columns || expert.Down.Rows != x.Columns || expert.Down.Columns != width)
            {
                throw new ArgumentException(
                    $"Expert weights [{expert.GateUp.Rows}, {expert.GateUp.Columns}] and [{expert.Down.Rows}, {expert.Down.Columns}], "
                    + $"expected [{2 * width}, {x.Columns}] and [{x.Columns}, {width}].", nameof(experts));
            }
        }
        return width;
    }
}
