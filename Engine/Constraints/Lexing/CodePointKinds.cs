namespace Llama4Kernels.Engine.Constraints.Lexing;

/// <summary>
/// Runs of code points that expressions seldom tell apart: the small letters, the digits, each punctuation mark of ASCII, blocks of
/// the rest. There are 64, so that a set of kinds is a word. Tokens that spell the same kinds are the same to most automata.
/// </summary>
internal static class CodePointKinds
{
    public const int Count = 64;

    private static readonly int[] s_starts =
    [
        0, '\t', '\n', 0x0B, '\r', 0x0E,
        .. Enumerable.Range(' ', '0' - ' ' + 1),
        .. Enumerable.Range(':', 'A' - ':' + 1),
        .. Enumerable.Range('[', 'a' - '[' + 1),
        .. Enumerable.Range('{', 0x7F - '{' + 1),
        0x80, 0xA0, 0xA1, 0xC0, 0x100, 0x250, 0x370, 0x400, 0x530, 0x600, 0x700, 0x1680, 0x1681, 0x2000, 0x200B, 0x2028, 0x202A, 0x3000,
        0x3001, 0xE000, 0x10000,
    ];

    private static readonly byte[] s_ascii = [.. Enumerable.Range(0, 128).Select(point => (byte)Search(point))];

    /// <summary>The kinds of which so many tokens consist that an automaton which splits one of them is asked letter by letter.</summary>
    public static ulong Wide { get; } = Bit(Search('a')) | Bit(Search('A'));

    /// <summary>The kind of a code point, below <see cref="Count"/>.</summary>
    public static int Of(int codePoint) => codePoint < 128 ? s_ascii[codePoint] : Search(codePoint);

    /// <summary>The first and the last code point of a kind.</summary>
    public static (int First, int Last) Range(int kind)
    {
        int last = kind + 1 < Count ? s_starts[kind + 1] - 1 : CodePointSet.Last;
        return (s_starts[kind], last == 0xDFFF ? 0xD7FF : last);
    }

    public static ulong Bit(int kind) => 1UL << kind;

    private static int Search(int codePoint)
    {
        int at = s_starts.AsSpan().BinarySearch(codePoint);
        return at >= 0 ? at : ~at - 1;
    }
}
