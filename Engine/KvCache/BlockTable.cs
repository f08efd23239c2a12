using System.Runtime.InteropServices;

namespace Llama4Kernels.Engine.KvCache;

/// <summary>The blocks of one kind that hold a sequence's positions, in order.</summary>
internal sealed class BlockTable(BlockPool pool, BlockKind kind)
{
    private readonly List<int> _blocks = [];

    public ReadOnlySpan<int> Blocks => CollectionsMarshal.AsSpan(_blocks);

    public int Count => _blocks.Count;

    /// <summary>Takes blocks until there are so many; all or none.</summary>
    /// <exception cref="CacheFullException">There are not enough.</exception>
    public void Grow(int count)
    {
        int before = _blocks.Count;
        try
        {
            while (_blocks.Count < count)
            {
                _blocks.Add(pool.Take(kind));
            }
        }
        catch
        {
            Shrink(before);
            throw;
        }
    }

    /// <summary>Gives the last blocks back until there are so many.</summary>
    public void Shrink(int count)
    {
        while (_blocks.Count > count)
        {
            int last = _blocks[^1];
            _blocks.RemoveAt(_blocks.Count - 1);
            pool.Release(kind, last);
        }
    }

    public void EnsureCapacity(int count) => _blocks.EnsureCapacity(count);
}
