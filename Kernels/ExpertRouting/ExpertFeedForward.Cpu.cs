using System.Runtime.Intrinsics;
using Llama4Kernels.Kernels.Activation;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Normalization;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.ExpertRouting;

internal static unsafe partial class ExpertFeedForward
{
    /// <summary>Rows of several experts that are worked on together, so that threads meet once for all of them: what they make stays in the caches.</summary>
    private const int TogetherRows = 64;

    private static void RunCpu(ThreadTeam team, CpuLinear linear, CpuScratch scratch, Tensor x, CpuRouting routing, ReadOnlySpan<ExpertWeights> experts, int width, Tensor output)
    {
        int slots = checked(x.Rows * routing.TopK);
        if (slots == 0)
        {
            return;
        }
        int most = Math.Min(slots, Math.Max(TogetherRows, LargestGroup(routing, slots, experts.Length, scratch)));
        // place[slot]: row of the gathered tensors that holds the slot; starts[e]: first such row of expert e.
        long gatheredBytes = ArenaPlan.BytesOf(slots, x.Columns);
        long gateUpBytes = ArenaPlan.BytesOf(most, 2L * width);
        long hiddenBytes = ArenaPlan.BytesOf(most, width);
        byte* memory = scratch.Require(2 * gatheredBytes + gateUpBytes + hiddenBytes + ((long)slots + experts.Length + 1) * sizeof(int));
        Tensor gathered = x with { Address = (nint)memory, Rows = slots };
        Tensor results = gathered with { Address = (nint)(memory + gatheredBytes) };
        nint gateUp = (nint)(memory + 2 * gatheredBytes);
        nint hidden = gateUp + (nint)gateUpBytes;
        int* place = (int*)(hidden + (nint)hiddenBytes);
        int* starts = place + slots;
        Sort(routing, slots, experts.Length, place, starts);
        int grain = RowSums.RowsPerItem(x.Columns);
        team.Run((slots + grain - 1) / grain, new GatherJob(x, routing.TopK, routing.ScorePointer, place, gathered, grain));
        for (int first = 0, end; first < experts.Length; first = end)
        {
            for (end = first + 1; end < experts.Length && starts[end + 1] - starts[first] <= most;)
            {
                end++;
            }
            int count = starts[end] - starts[first];
            Tensor gateUpRows = x with { Address = gateUp, Rows = count, Columns = 2 * width };
            Tensor hiddenRows = x with { Address = hidden, Rows = count, Columns = width };
            linear.RunTogether(new Group(gathered.Slice(starts[first], count), experts[first..end], starts + first, down: false, gateUpRows));
            SwiGlu.Run(team, gateUpRows, hiddenRows);
            linear.RunTogether(new Group(hiddenRows, experts[first..end], starts + first, down: true, results.Slice(starts[first], count)));
        }
        team.Run((x.Rows + grain - 1) / grain, new ScatterJob(results, routing.TopK, place, output, grain));
    }

    private static int LargestGroup(CpuRouting routing, int slots, int experts, CpuScratch scratch)
    {
        Span<int> counts = new(scratch.Require((long)experts * sizeof(int)), experts);
        counts.Clear();
        int largest = 0;
        for (int slot = 0; slot < slots; slot++)
        {
            largest = Math.Max(largest, ++counts[routing.ExpertPointer[slot]]);
        }
        return largest;
    }

    /// <summary>Counting sort of the slots by expert; slots of one expert keep their order.</summary>
    private static void Sort(CpuRouting routing, int slots, int experts, int* place, int* starts)
    {
        new Span<int>(starts, experts + 1).Clear();
        for (int slot = 0; slot < slots; slot++)
        {
            starts[routing.ExpertPointer[slot] + 1]++;
        }
        for (int e = 0; e < experts; e++)
        {
            starts[e + 1] += starts[e];
        }
        for (int slot = 0; slot < slots; slot++)
        {
            place[slot] = starts[routing.ExpertPointer[slot]]++;
        }
        // Placing moved each start to the next expert's: shift them back.
        for (int e = experts; e > 0; e--)
        {
            starts[e] = starts[e - 1];
        }
        starts[0] = 0;
    }

    /// <summary>The products of neighbouring experts, each with its rows. Those without rows have none.</summary>
    /// <param name="x">The rows of all of them.</param>
    /// <param name="experts">The experts.</param>
    /// <param name="starts">Where the rows of each begin, and those of the last end, counted as the first one's.</param>
    /// <param name="down">Whether it is their second product.</param>
    /// <param name="output">As many rows as x.</param>
    private readonly ref struct Group(Tensor x, ReadOnlySpan<ExpertWeights> experts, int* starts, bool down, Tensor output) : IProducts
    {
        private readonly ReadOnlySpan<ExpertWeights> _experts = experts;
        private readonly int* _starts = starts;

        public int Count => _experts.Length;

        public void Run(CpuLinear linear, int index)
        {
            int first = _starts[index] - _starts[0], count = _starts[index + 1] - _starts[index];
            linear.Run(x.Slice(first, count), down ? _experts[index].Down : _experts[index].GateUp, null, output.Slice(first, count));
        }
    }

    /// <summary>One item: some slots, each its input row times its score.</summary>
    private readonly struct GatherJob(Tensor x, int topK, float* scores, int* place, Tensor gathered, int grain) : ITeamJob
    {
        public void Execute(int item, int worker)
        {
            int end = Math.Min(gathered.Rows, (item + 1) * grain);
            for (int slot = item * grain; slot < end; slot++)
            {
                Gather(slot);
            }
        }

        private void Gather(int slot)
        {
            float* source = x.Pointer + (long)(slot / topK) * x.Columns;
            float* row = gathered.Pointer + (long)place[slot] * x.Columns;
            float score = scores[slot];
            int c = 0;
            for (; c <= x.Columns - Vector512<float>.Count; c += Vector512<float>.Count)
            {
                (Vector512.Load(source + c) * score).Store(row + c);
            }
            for (; c < x.Columns; c++)
            {
                row[c] = source[c] * score;
            }
        }
    }

    /// <summary>One item: some output rows, each of which takes its slots in order.</summary>
    private readonly struct ScatterJob(Tensor results, int topK, int* place, Tensor output, int grain) : ITeamJob
    {
        public void Execute(int item, int worker)
        {
            int end = Math.Min(output.Rows, (item + 1) * grain);
            for (int row = item * grain; row < end; row++)
            {
                Scatter(row);
            }
        }

        private void Scatter(int outputRow)
        {
            int columns = results.Columns;
            float* y = output.Pointer + (long)outputRow * columns;
            for (int slot = outputRow * topK; slot < (outputRow + 1) * topK; slot++)
            {
                float* row = results.Pointer + (long)place[slot] * columns;
                int c = 0;
                for (; c <= columns - Vector512<float>.Count; c += Vector512<float>.Count)
                {
                    (Vector512.Load(y + c) + Vector512.Load(row + c)).Store(y + c);
                }
                for (; c < columns; c++)
                {
                    y[c] += row[c];
                }
            }
        }
    }
}
