using ILGPU;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Kernels.ExpertRouting;

/// <summary>Choice of experts and the grouping of rows by expert, on the device; integers decide, so every run is the same.</summary>
public static class TopKRoutingIlgpu
{
    /// <summary>
    /// Group (row): an expert's place is the number of experts before it, larger logits first, equal ones by index, NaN last.
    /// logits [T, E] → experts and scores (sigmoids, 0 for NaN) [T, topK].
    /// </summary>
    public static void Choose(ArrayView<float> logits, ArrayView<int> experts, ArrayView<float> scores, int expertCount, int topK)
    {
        long row = (long)Grid.IdxX * expertCount;
        long slot = (long)Grid.IdxX * topK;
        for (int expert = Group.IdxX; expert < expertCount; expert += Group.DimX)
        {
            float logit = logits[row + expert];
            int place = 0;
            for (int other = 0; other < expertCount; other++)
            {
                float rival = logits[row + other];
                bool larger = rival > logit || (DeviceMath.IsNaN(logit) && !DeviceMath.IsNaN(rival));
                bool equal = rival == logit || (DeviceMath.IsNaN(logit) && DeviceMath.IsNaN(rival));
                place += larger || (equal && other < expert) ? 1 : 0;
            }
            if (place < topK)
            {
                experts[slot + place] = expert;
                scores[slot + place] = DeviceMath.IsNaN(logit) ? 0f : DeviceMath.Sigmoid(logit);
            }
        }
    }

    /// <summary>
    /// Group (expert): a stable counting sort of the slots by expert. experts [slots] → starts [E + 1], order (sorted row →
    /// slot), inverse (slot → sorted row) and rowExperts (sorted row → expert) [slots]. Each thread takes slots in a row, so
    /// the threads before it tell where its own begin.
    /// </summary>
    public static void Sort(ArrayView<int> experts, ArrayView<int> starts, ArrayView<int> order, ArrayView<int> inverse, ArrayView<int> rowExperts, int slots, int expertCount)
    {
        ArrayView<int> own = SharedMemory.Allocate<int>(GroupReduce.MaxThreads);
        ArrayView<int> lower = SharedMemory.Allocate<int>(GroupReduce.MaxThreads);
        int expert = Grid.IdxX;
        int thread = Group.IdxX;
        int share = (slots + Group.DimX - 1) / Group.DimX;
        int begin = thread * share;
        int end = begin + share < slots ? begin + share : slots;
        int mine = 0;
        int below = 0;
        for (int slot = begin; slot < end; slot++)
        {
            int chosen = experts[slot];
            mine += chosen == expert ? 1 : 0;
            below += chosen < expert ? 1 : 0;
        }
        own[thread] = mine;
        lower[thread] = below;
        Group.Barrier();
        int start = 0;
        int before = 0;
        int total = 0;
        for (int i = 0; i < Group.DimX; i++)
        {
            int count = own[i];
            start += lower[i];
            before += i < thread ? count : 0;
            total += count;
        }
        int row = start + before;
        for (int slot = begin; slot < end; slot++)
        {
            if (experts[slot] == expert)
            {
                order[row] = slot;
                inverse[slot] = row;
                rowExperts[row] = expert;
                row++;
            }
        }
        if (thread == 0)
        {
            starts[expert] = start;
            if (expert == expertCount - 1)
            {
                starts[expertCount] = start + total;
            }
        }
    }
}
