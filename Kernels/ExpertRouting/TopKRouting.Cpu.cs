using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.ExpertRouting;

internal static unsafe partial class TopKRouting
{
    private const int RowsPerItem = 64;

    private static void RunCpu(ThreadTeam team, Tensor logits, CpuRouting routing) =>
        team.Run((logits.Rows + RowsPerItem - 1) / RowsPerItem, new Job(logits, routing.TopK, routing.ExpertPointer, routing.ScorePointer));

    private static void Row(float* logits, int experts, int topK, int* chosen, float* scores)
    {
        // k is 1 in every published model: insertion beats any cleverer selection.
        int held = 0;
        for (int e = 0; e < experts; e++)
        {
            int slot = held;
            while (slot > 0 && Precedes(logits[e], logits[chosen[slot - 1]]))
            {
                slot--;
            }
            if (slot >= topK)
            {
                continue;
            }
            held = Math.Min(held + 1, topK);
            for (int i = held - 1; i > slot; i--)
            {
                chosen[i] = chosen[i - 1];
            }
            chosen[slot] = e;
        }
        for (int i = 0; i < topK; i++)
        {
            float logit = logits[chosen[i]];
            scores[i] = float.IsNaN(logit) ? 0f : (float)(1.0 / (1.0 + Math.Exp(-(double)logit)));
        }
    }

    private static bool Precedes(float later, float earlier) => later > earlier || (float.IsNaN(earlier) && !float.IsNaN(later));

    private readonly struct Job(Tensor logits, int topK, int* experts, float* scores) : ITeamJob
    {
        public void Execute(int item, int worker)
        {
            int end = Math.Min(logits.Rows, (item + 1) * RowsPerItem);
            for (int row = item * RowsPerItem; row < end; row++)
            {
                long slot = (long)row * topK;
                Row(logits.Pointer + (long)row * logits.Columns, logits.Columns, topK, experts + slot, scores + slot);
            }
        }
    }
}
