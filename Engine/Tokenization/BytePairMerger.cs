namespace Llama4Kernels.Engine.Tokenization;

/// <summary>
/// Byte-pair merging of one piece in O(n log n): the parts are a doubly linked list, the mergeable pairs wait in
/// a binary heap ordered by rank and then position. Holds buffers for reuse; one instance serves one thread.
/// </summary>
internal sealed class BytePairMerger(MergeTable merges, int[] idOfByte)
{
    private int[] ids = [];
    private int[] next = [];
    private int[] previous = [];
    private int[] pairRank = [];
    private long[] heap = [];
    private int heapCount;

    /// <summary>Heap steps made since construction: the work, independent of the clock.</summary>
    public long Steps { get; private set; }

    /// <summary>Appends the token ids of a piece.</summary>
    /// <param name="piece">UTF-8 bytes, not empty.</param>
    /// <param name="output">Receives the ids.</param>
    public void Merge(ReadOnlySpan<byte> piece, List<int> output)
    {
        int count = piece.Length;
        Reserve(count);
        for (int i = 0; i < count; i++)
        {
            ids[i] = idOfByte[piece[i]];
            previous[i] = i - 1;
            next[i] = i + 1;
        }
        next[count - 1] = -1;
        pairRank[count - 1] = MergeTable.NoMerge;
        for (int i = 0; i + 1 < count; i++)
        {
            Refresh(i);
        }

        while (heapCount > 0)
        {
            long entry = Pop();
            int rank = (int)(entry >> 32);
            int left = (int)entry;
            // A pair that was changed by a neighbour's merge leaves its old entry in the heap.
            if (pairRank[left] != rank)
            {
                continue;
            }
            int right = next[left];
            ids[left] = merges.Merged(rank);
            pairRank[right] = MergeTable.NoMerge;
            next[left] = next[right];
            if (next[left] >= 0)
            {
                previous[next[left]] = left;
            }
            Refresh(left);
            if (previous[left] >= 0)
            {
                Refresh(previous[left]);
            }
        }

        for (int i = 0; i >= 0; i = next[i])
        {
            output.Add(ids[i]);
        }
    }

    private void Refresh(int left)
    {
        int right = next[left];
        int rank = right < 0 ? MergeTable.NoMerge : merges.Rank(ids[left], ids[right]);
        pairRank[left] = rank;
        if (rank != MergeTable.NoMerge)
        {
            Push(((long)rank << 32) | (uint)left);
        }
    }

    private void Push(long entry)
    {
        if (heapCount == heap.Length)
        {
            Array.Resize(ref heap, Math.Max(64, heap.Length * 2));
        }
        int hole = heapCount++;
        while (hole > 0 && heap[(hole - 1) / 2] > entry)
        {
            heap[hole] = heap[(hole - 1) / 2];
            hole = (hole - 1) / 2;
            Steps++;
        }
        heap[hole] = entry;
        Steps++;
    }

    private long Pop()
    {
        long top = heap[0];
        long last = heap[--heapCount];
        int hole = 0;
        for (int child = 1; child < heapCount; child = 2 * hole + 1)
        {
            if (child + 1 < heapCount && heap[child + 1] < heap[child])
            {
                child++;
            }
            if (heap[child] >= last)
            {
                break;
            }
            heap[hole] = heap[child];
            hole = child;
            Steps++;
        }
        heap[hole] = last;
        Steps++;
        return top;
    }

    private void Reserve(int count)
    {
        if (ids.Length >= count)
        {
            return;
        }
        int capacity = Math.Max(64, Math.Max(count, ids.Length * 2));
        ids = new int[capacity];
        next = new int[capacity];
        previous = new int[capacity];
        pairRank = new int[capacity];
    }
}
