using System.Numerics.Tensors;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Threading;
using Tensor = Llama4Kernels.Kernels.Contracts.Tensor;

namespace Llama4Kernels.Kernels.Activation;

internal static unsafe partial class ResidualAdd
{
    private const int ElementsPerItem = 16384;

    private static void RunCpu(ThreadTeam team, Tensor x, Tensor destination) =>
        team.Run(checked((int)((x.Elements + ElementsPerItem - 1) / ElementsPerItem)), new Job(x.Pointer, destination.Pointer, x.Elements));

    private readonly struct Job(float* x, float* destination, long elements) : ITeamJob
    {
        public void Execute(int item, int worker)
        {
            long first = (long)item * ElementsPerItem;
            int count = (int)Math.Min(ElementsPerItem, elements - first);
            Span<float> sum = new(destination + first, count);
            TensorPrimitives.Add(new ReadOnlySpan<float>(x + first, count), sum, sum);
        }
    }
}
