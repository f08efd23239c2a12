namespace Llama4Kernels.Engine.Tokenization;

/// <summary>
/// The o200k splitting pattern as a hand-written matcher over code points, because .NET's regular expressions
/// see letters and digits beyond U+FFFF as surrogates. The alternatives, in order:
/// <code>
/// 1  [^\r\n\p{L}\p{N}]?[upper]*[lower]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?
/// 2  [^\r\n\p{L}\p{N}]?[upper]+[lower]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?
/// 3  \p{N}{1,3}
/// 4   ?[^\s\p{L}\p{N}]+[\r\n/]*
/// 5  \s*[\r\n]+
/// 6  \s+(?!\S)
/// 7  \s+
/// </code>
/// upper = Lu Lt Lm Lo M and lower = Ll Lm Lo M overlap, so the greedy upper run may have to give back.
/// </summary>
internal static class PieceSplitter
{
    /// <summary>The pattern that <see cref="Next"/> implements, as tokenizer files write it.</summary>
    public const string Pattern =
        @"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
        + @"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
        + @"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    private const CodePointClass Word = CodePointClass.Letter | CodePointClass.Number;
    private const CodePointClass NotPrefix = Word | CodePointClass.NewLine;
    private const CodePointClass NotPunctuation = Word | CodePointClass.Space;

    /// <summary>The end of the piece that starts at a code point.</summary>
    /// <param name="text">Code points, [count].</param>
    /// <param name="start">Where the piece starts, below the length.</param>
    /// <returns>One past its last code point, above <paramref name="start"/>.</returns>
    public static int Next(ReadOnlySpan<int> text, int start)
    {
        CodePointClass first = CodePointClasses.Of(text[start]);
        bool canPrefix = (first & NotPrefix) == 0;
        int end = canPrefix ? MatchWord(text, start + 1) : -1;
        if (end < 0)
        {
            end = MatchWord(text, start);
        }
        if (end < 0 && canPrefix)
        {
            end = MatchUpper(text, start + 1);
        }
        if (end < 0)
        {
            end = MatchUpper(text, start);
        }
        if (end >= 0)
        {
            return MatchContraction(text, end);
        }
        if ((first & CodePointClass.Number) != 0)
        {
            return MatchNumber(text, start);
        }
        if ((first & NotPunctuation) == 0)
        {
            return MatchPunctuation(text, start);
        }
        if (text[start] == ' ' && start + 1 < text.Length
            && (CodePointClasses.Of(text[start + 1]) & NotPunctuation) == 0)
        {
            return MatchPunctuation(text, start + 1);
        }
        return MatchSpace(text, start);
    }

    /// <summary>[upper]*[lower]+ with backtracking; -1 if it does not match.</summary>
    private static int MatchWord(ReadOnlySpan<int> text, int start)
    {
        int end = Run(text, start, CodePointClass.Upper);
        if (end < text.Length && (CodePointClasses.Of(text[end]) & CodePointClass.Lower) != 0)
        {
            return Run(text, end, CodePointClass.Lower);
        }
        // The run gives back until a code point of both sets can be the lower part; what follows it is upper only.
        for (int last = end - 1; last >= start; last--)
        {
            if ((CodePointClasses.Of(text[last]) & CodePointClass.Lower) != 0)
            {
                return last + 1;
            }
        }
        return -1;
    }

    /// <summary>[upper]+[lower]*; -1 if it does not match.</summary>
    private static int MatchUpper(ReadOnlySpan<int> text, int start)
    {
        int end = Run(text, start, CodePointClass.Upper);
        return end == start ? -1 : Run(text, end, CodePointClass.Lower);
    }

    private static int MatchContraction(ReadOnlySpan<int> text, int start)
    {
        if (start + 1 >= text.Length || text[start] != '\'')
        {
            return start;
        }
        int first = Fold(text[start + 1]);
        if (first is 's' or 't' or 'm' or 'd')
        {
            return start + 2;
        }
        int second = start + 2 < text.Length ? Fold(text[start + 2]) : 0;
        return (first, second) is ('r', 'e') or ('v', 'e') or ('l', 'l') ? start + 3 : start;
    }

    /// <summary>Simple case folding, as far as the letters of the contractions go: U+017F folds to s.</summary>
    private static int Fold(int codePoint) => codePoint switch
    {
        >= 'A' and <= 'Z' => codePoint | 0x20,
        0x17F => 's',
        _ => codePoint,
    };

    private static int MatchNumber(ReadOnlySpan<int> text, int start)
    {
        int limit = Math.Min(text.Length, start + 3);
        int end = start + 1;
        while (end < limit && (CodePointClasses.Of(text[end]) & CodePointClass.Number) != 0)
        {
            end++;
        }
        return end;
    }

    private static int MatchPunctuation(ReadOnlySpan<int> text, int start)
    {
        int end = start;
        while (end < text.Length && (CodePointClasses.Of(text[end]) & NotPunctuation) == 0)
        {
            end++;
        }
        while (end < text.Length && text[end] is '\r' or '\n' or '/')
        {
            end++;
        }
        return end;
    }

    private static int MatchSpace(ReadOnlySpan<int> text, int start)
    {
        int end = Run(text, start, CodePointClass.Space);
        for (int last = end - 1; last >= start; last--)
        {
            if (text[last] is '\r' or '\n')
            {
                return last + 1;
            }
        }
        // Before a word or a sign the last blank stays behind, to become its prefix.
        return end == text.Length || end == start + 1 ? end : end - 1;
    }

    private static int Run(ReadOnlySpan<int> text, int start, CodePointClass set)
    {
        int end = start;
        while (end < text.Length && (CodePointClasses.Of(text[end]) & set) != 0)
        {
            end++;
        }
        return end;
    }
}
