using System.Text;

namespace Llama4Kernels.Engine.Tokenization;

/// <summary>
/// Cuts long text as Meta's tokenizer does: every 400,000 code points, and within those before the 25,001st code
/// point of a run of white space or of a run of anything else. Each cut is a token boundary.
/// </summary>
internal readonly struct TextSlices(string text)
{
    public const int MaxSlice = 400_000;
    public const int MaxRun = 25_000;

    /// <summary>UTF-16 ranges that cover the text in order; none for the empty text.</summary>
    public IEnumerator<Range> GetEnumerator()
    {
        string whole = text;
        int start = 0;
        int sliceLength = 0;
        int runLength = 0;
        bool runIsSpace = false;
        for (int at = 0; at < whole.Length;)
        {
            bool space = IsSpace(whole[at]);
            if (sliceLength == MaxSlice)
            {
                yield return start..at;
                (start, sliceLength, runLength) = (at, 0, 0);
            }
            if (runLength > 0 && space == runIsSpace)
            {
                runLength++;
                if (runLength > MaxRun)
                {
                    yield return start..at;
                    (start, runLength) = (at, 1);
                }
            }
            else
            {
                (runLength, runIsSpace) = (1, space);
            }
            sliceLength++;
            Rune.DecodeFromUtf16(whole.AsSpan(at), out _, out int consumed);
            at += consumed;
        }
        if (start < whole.Length)
        {
            yield return start..whole.Length;
        }
    }

    // Python's str.isspace: \s and the four separators U+001C to U+001F; all are in the basic plane.
    private static bool IsSpace(char value) => char.IsWhiteSpace(value) || value is >= '\x1C' and <= '\x1F';
}
