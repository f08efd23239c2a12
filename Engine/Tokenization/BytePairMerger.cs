namespace Llama4Kernels.Engine.Tokenization;

/// <summary>
/// Byte-pair merging of one piece in O(n log n): the parts are a doubly linked list, the mergeable pairs wait in
/// a binary heap ordered by rank and then position. Holds buffers for reuse; one instance serves one thread.
/// </summary>
internal sealed class BytePairMerger(MergeTable merges, int[] idOfByte)
{
    private int[] _ids = [];
    private int[] _next = [];
    private int[] _previous = [];
    private int[] _pairRank = [];
    private long[] _heap = [];
    private int _heapCount;

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
            _ids[i] = idOfByte[piece[i]];
            _previous[i] = i - 1;
            _next[i] = i + 1;
        }
        _next[count - 1] = -1;
        _pairRank[count - 1] = MergeTable.NoMerge;
        for (int i = 0; i + 1 < count; i++)
        {
            Refresh(i);
        }

        while (_heapCount > 0)
        {
            long entry = Pop();
            int rank = (int)(entry >> 32);
            int left = (int)entry;
            // A pair that was changed by a neighbour's merge leaves its old entry in the heap.
            if (_pairRank[left] != rank)
            {
                continue;
            }
            int right = _next[left];
            _ids[left] = merges.Merged(rank);
            _pairRank[right] = MergeTable.NoMerge;
            _next[left] = _next[right];
            if (_next[left] >= 0)
            {
                _previous[_next[left]] = left;
            }
            Refresh(left);
            if (_previous[left] >= 0)
            {
                Refresh(_previous[left]);
            }
        }

        for (int i = 0; i >= 0; i = _next[i])
        {
            output.Add(_ids[i]);
        }
    }

    private void Refresh(int left)
    {
        int right = _next[left];
        int rank = right < 0 ? MergeTable.NoMerge : merges.Rank(_ids[left], _ids[right]);
        _pairRank[left] = rank;
        if (rank != MergeTable.NoMerge)
        {
            Push(((long)rank << 32) | (uint)left);
        }
    }

    private void Push(long entry)
    {
        if (_heapCount == _heap.Length)
        {
            Array.Resize(ref _heap, Math.Max(64, _heap.Length * 2));
        }
        int hole = _heapCount++;
        while (hole > 0 && _heap[(hole - 1) / 2] > entry)
        {
            _heap[hole] = _heap[(hole - 1) / 2];
            hole = (hole - 1) / 2;
            Steps++;
        }
        _heap[hole] = entry;
        Steps++;
    }

    private long Pop()
    {
        long top = _heap[0];
        long last = _heap[--_heapCount];
        int hole = 0;
        for (int child = 1; child < _heapCount; child = 2 * hole + 1)
        {
            if (child + 1 < _heapCount && _heap[child + 1] < _heap[child])
            {
                child++;
            }
            if (_heap[child] >= last)
            {
                break;
            }
            _heap[hole] = _heap[child];
            hole = child;
            Steps++;
        }
        _heap[hole] = last;
        Steps++;
        return top;
    }

    private void Reserve(int count)
    {
        if (_ids.Length >= count)
        {
            return;
        }
        int capacity = Math.Max(64, Math.Max(count, _ids.Length * 2));
        _ids = new int[capacity];
        _next = new int[capacity];
        _previous = new int[capacity];
        _pairRank = new int[capacity];
    }
}
