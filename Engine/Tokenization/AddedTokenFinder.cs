using System.Buffers;
using System.Collections.Frozen;
using System.Globalization;
using System.Text;

namespace Llama4Kernels.Engine.Tokenization;

/// <summary>
/// Finds added tokens by their spelling as the tokenizers library does: from the left, of several that start together the
/// longest. Immutable.
/// </summary>
internal sealed class AddedTokenFinder
{
    private readonly FrozenDictionary<string, AddedToken>.AlternateLookup<ReadOnlySpan<char>> _lookup;
    private readonly SearchValues<string> _spellings;
    private readonly int[] _lengths;

    /// <summary>Takes the tokens.</summary>
    public AddedTokenFinder(IReadOnlyCollection<AddedToken> tokens)
    {
        _lookup = tokens.ToFrozenDictionary(token => token.Content, StringComparer.Ordinal).GetAlternateLookup<ReadOnlySpan<char>>();
        string[] spellings = [.. tokens.Select(token => token.Content)];
        _spellings = SearchValues.Create(spellings, StringComparison.Ordinal);
        _lengths = [.. spellings.Select(spelling => spelling.Length).Distinct().OrderDescending()];
        IsEmpty = spellings.Length == 0;
        HasPlain = tokens.Any(token => !token.IsSpecial);
    }

    /// <summary>Whether there are no tokens.</summary>
    public bool IsEmpty { get; }

    /// <summary>Whether there are tokens that are found in every text.</summary>
    public bool HasPlain { get; }

    /// <summary>The first token in a text from a place on, with the blanks it takes; Length is 0 if there is none.</summary>
    /// <param name="text">The text.</param>
    /// <param name="from">Where the last match ended.</param>
    /// <param name="allowed">The control tokens that count.</param>
    public (int Start, int Length, int Id) Find(ReadOnlySpan<char> text, int from, AllowedSpecials allowed)
    {
        for (int at = from; IndexOf(text, at) is >= 0 and var start; at = start + 1)
        {
            AddedToken token = Longest(text[start..]);
            int end = start + token.Content.Length;
            bool counts = (!token.IsSpecial || allowed.Contains(token.Content))
                && !(token.SingleWord && (EndsWithWord(text[..start]) || StartsWithWord(text[end..])));
            if (!counts)
            {
                // The library goes on behind the spelling, so that nothing is found inside it.
                start = end - 1;
                continue;
            }
            int first = token.TakesBefore ? Math.Max(from, text[..start].TrimEnd().Length) : start;
            int last = token.TakesAfter ? text.Length - text[end..].TrimStart().Length : end;
            return (first, last - first, token.Id);
        }
        return default;
    }

    private int IndexOf(ReadOnlySpan<char> text, int from)
    {
        int at = from < text.Length ? text[from..].IndexOfAny(_spellings) : -1;
        return at < 0 ? -1 : from + at;
    }

    private AddedToken Longest(ReadOnlySpan<char> text)
    {
        foreach (int length in _lengths)
        {
            if (length <= text.Length && _lookup.TryGetValue(text[..length], out AddedToken? token))
            {
                return token;
            }
        }
        throw new InvalidOperationException("The search found a spelling that no token has.");
    }

    private static bool StartsWithWord(ReadOnlySpan<char> text) =>
        !text.IsEmpty && Rune.DecodeFromUtf16(text, out Rune rune, out _) == OperationStatus.Done && IsWord(rune);

    private static bool EndsWithWord(ReadOnlySpan<char> text) =>
        !text.IsEmpty && Rune.DecodeLastFromUtf16(text, out Rune rune, out _) == OperationStatus.Done && IsWord(rune);

    // The regular expression \w of the library.
    private static bool IsWord(Rune rune) => Rune.GetUnicodeCategory(rune) is
        UnicodeCategory.UppercaseLetter or UnicodeCategory.LowercaseLetter or UnicodeCategory.TitlecaseLetter or UnicodeCategory.ModifierLetter
        or UnicodeCategory.OtherLetter or UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.EnclosingMark
        or UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.ConnectorPunctuation
        || rune.Value is 0x200C or 0x200D;
}
