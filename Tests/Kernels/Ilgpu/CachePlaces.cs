namespace Llama4Kernels.Tests.Kernels.Ilgpu;

/// <summary>Where keys and values lie in the blocks of a test's cache, with room left over; a layout may have its keys in either order.</summary>
internal sealed class CachePlaces(int blockTokens, int kvHeads, int dim, bool isTokenMajor)
{
    private readonly int _head = blockTokens * dim + 3;

    /// <summary>Elements of a block.</summary>
    public int Block => (2 * kvHeads * _head) + 7;

    /// <summary>What kernels take: positions of a block, then the strides of blocks, heads, keys, their components, the first value, values.</summary>
    public object?[] Arguments => [blockTokens, (long)Block, (long)_head, isTokenMajor ? (long)dim : 1L, isTokenMajor ? 1L : (long)blockTokens, (long)kvHeads * _head, (long)dim];

    public int Key(int block, int head, int slot, int c) => (block * Block) + (head * _head) + (isTokenMajor ? (slot * dim) + c : (c * blockTokens) + slot);

    public int Value(int block, int head, int slot, int c) => (block * Block) + ((kvHeads + head) * _head) + (slot * dim) + c;
}
