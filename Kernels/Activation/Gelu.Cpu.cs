using System.Runtime.Intrinsics;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.Activation;

internal static unsafe partial class Gelu
{
    private const int ElementsPerItem = 4096;

    private static void RunCpu(ThreadTeam team, Tensor x) =>
        team.Run(checked((int)((x.Elements + ElementsPerItem - 1) / ElementsPerItem)), new Job(x.Pointer, x.Elements));

    private readonly struct Job(float* x, long elements) : ITeamJob
    {
        public void Execute(int item, int worker)
        {
            long i = (long)item * ElementsPerItem;
            long end = Math.Min(elements, i + ElementsPerItem);
            for (; i <= end - Vector512<float>.Count; i += Vector512<float>.Count)
            {
                VectorMath.Gelu(Vector512.Load(x + i)).Store(x + i);
            }
            for (; i < end; i++)
            {
                x[i] = VectorMath.Gelu(Vector512.Create(x[i])).ToScalar();
            }
        }
    }
}
