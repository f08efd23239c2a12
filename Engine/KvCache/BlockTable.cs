using System.Runtime.InteropServices;

namespace Llama4Kernels.Engine.KvCache;

/// <summary>The blocks of one kind that hold a sequence's positions, in order.</summary>
internal sealed class BlockTable(BlockPool pool, BlockKind kind)
{
    private readonly List<int> _blocks = [];

    public ReadOnlySpan<int> Blocks => CollectionsMarshal.AsSpan(_blocks);

    public int Count => _blocks.Count;

    /// <summary>Takes blocks until there are so many; the pool has them.</summary>
    public void Grow(int count)
    {
        while (_blocks.Count < count)
        {
            _blocks.Add(pool.Take(kind));
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

    /// <summary>Adds another reference to a block that holds the next positions.</summary>
    public void Share(int block)
    {
        pool.Reference(kind, block);
        _blocks.Add(block);
    }

    /// <summary>Takes another block with the same content in the place of one, which goes back.</summary>
    public void Replace(int index, int block)
    {
        int own = _blocks[index];
        if (own != block)
        {
            pool.Reference(kind, block);
            _blocks[index] = block;
            pool.Release(kind, own);
        }
    }

    public void EnsureCapacity(int count) => _blocks.EnsureCapacity(count);
}
