using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>
/// What a tile of 256 bits prefetches. It takes a block in passes, each some outputs of all columns, so lines are asked for in the
/// order of the stream, not of the pass: with each pass its share of what follows.
/// </summary>
/// <param name="a">Where to.</param>
/// <param name="near">A register that goes through the block behind the tile's own, where <paramref name="isNear"/>: into the first-level cache.</param>
/// <param name="far">A register that goes through what is prefetched into the second-level cache.</param>
/// <param name="bytes">Bytes of a block that belong to a pass.</param>
/// <param name="ahead">Lines that are prefetched into the second-level cache for each four that are read.</param>
/// <param name="isNear">Whether the tile's own next block is prefetched.</param>
internal sealed class TilePrefetch(Assembler a, AssemblerRegister64 near, AssemblerRegister64 far, int bytes, int ahead, bool isNear)
{
    private const int LineBytes = 64;

    private int _near, _far;

    /// <summary>Begins at the block behind one.</summary>
    public void Begin(AssemblerRegister64 block, int blockBytes)
    {
        if (isNear)
        {
            a.lea(near, __[block + blockBytes]);
        }
    }

    /// <summary>Asks after a part of a pass for as large a part.</summary>
    public void After(int part, int parts)
    {
        for (; isNear && _near * LineBytes * parts < bytes * part; _near++)
        {
            a.prefetcht0(__byte_ptr[near + _near * LineBytes]);
        }
        for (; _far * LineBytes * 4 * parts < bytes * ahead * part; _far++)
        {
            a.prefetcht1(__byte_ptr[far + _far * LineBytes]);
        }
    }

    /// <summary>Ends a pass.</summary>
    public void Advance()
    {
        if (isNear)
        {
            a.add(near, bytes);
        }
        if (ahead > 0)
        {
            a.add(far, bytes * ahead / 4);
        }
        (_near, _far) = (0, 0);
    }
}
