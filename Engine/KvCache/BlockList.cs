using System.Numerics;

namespace Llama4Kernels.Engine.KvCache;

/// <summary>
/// Which blocks of one kind are taken and how often each is referenced. The free block with the lowest number is taken first,
/// so that the blocks in use stay together and the memory behind them can serve the other kind.
/// </summary>
internal sealed class BlockList
{
    private const int WordBits = 64;

    // Bits of free blocks below End.
    private ulong[] _free = [];
    private int[] _references = [];
    private int _firstFreeWord;

    /// <summary>One more than the highest number in use.</summary>
    public int End { get; private set; }

    /// <summary>Free blocks below <see cref="End"/>.</summary>
    public int Free { get; private set; }

    /// <summary>Blocks in use.</summary>
    public int Used => End - Free;

    /// <summary>References of a block.</summary>
    public int this[int block] => block < End ? _references[block] : 0;

    /// <summary>Takes a block, with one reference: the lowest free one, or the one at the end.</summary>
    public int Take()
    {
        int block = Free > 0 ? Lowest() : End++;
        if (block == _references.Length)
        {
            int capacity = Math.Max(WordBits, 2 * block);
            Array.Resize(ref _references, capacity);
            Array.Resize(ref _free, capacity / WordBits);
        }
        _references[block] = 1;
        return block;
    }

    /// <summary>Counts another reference.</summary>
    public void Reference(int block)
    {
        Check(block);
        _references[block]++;
    }

    /// <summary>Takes a reference away; without any the block is free.</summary>
    public void Release(int block)
    {
        Check(block);
        if (--_references[block] > 0)
        {
            return;
        }
        _free[block / WordBits] |= 1UL << (block % WordBits);
        _firstFreeWord = Math.Min(_firstFreeWord, block / WordBits);
        Free++;
        while (End > 0 && _references[End - 1] == 0)
        {
            End--;
            Free--;
            _free[End / WordBits] &= ~(1UL << (End % WordBits));
        }
    }

    private int Lowest()
    {
        while (_free[_firstFreeWord] == 0)
        {
            _firstFreeWord++;
        }
        int bit = BitOperations.TrailingZeroCount(_free[_firstFreeWord]);
        _free[_firstFreeWord] &= ~(1UL << bit);
        Free--;
        return _firstFreeWord * WordBits + bit;
    }

    private void Check(int block)
    {
        if (this[block] == 0)
        {
            throw new InvalidOperationException($"Block {block} is not in use.");
        }
    }
}
