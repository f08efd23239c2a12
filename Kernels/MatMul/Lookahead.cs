using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>What a tile prefetches while it reads its own blocks.</summary>
/// <param name="Address">From where.</param>
/// <param name="Lines">Cache lines for each four that are read: 0, 1, 2 or 4.</param>
/// <param name="Near">Whether the next lines of its own stream come nearer too.</param>
internal readonly record struct Lookahead(nint Address, int Lines, bool Near)
{
    private const int LineBytes = 64;

    /// <summary>Asks for what belongs to a part of a block: tiles without assembled code do so between their parts. Nothing where there is no such instruction.</summary>
    /// <param name="block">Which block of those that the tile reads.</param>
    /// <param name="bytes">Bytes of a block.</param>
    /// <param name="from">Where the part begins, of <paramref name="of"/>.</param>
    /// <param name="to">Where it ends.</param>
    /// <param name="of">A whole block.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public unsafe void Ask(int block, int bytes, int from, int to, int of)
    {
        if (Lines == 0 || !Sse.IsSupported)
        {
            return;
        }
        int lines = bytes * Lines / (4 * LineBytes);
        byte* at = (byte*)Address + (long)block * lines * LineBytes;
        for (int line = lines * from / of; line < lines * to / of; line++)
        {
            if (Near)
            {
                Sse.Prefetch0(at + line * LineBytes);
            }
            else
            {
                Sse.Prefetch1(at + line * LineBytes);
            }
        }
    }
}
