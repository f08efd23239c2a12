using System.Collections.Frozen;

namespace Llama4Kernels.Engine.Tokenization;

/// <summary>Finds special tokens by their spelling.</summary>
internal sealed class SpecialTokenFinder
{
    private readonly FrozenDictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> lookup;
    private readonly FrozenDictionary<string, int> specials;
    private readonly string prefix;
    private readonly int[] lengths;
    private readonly char? last;

    /// <summary>Takes the names, none of them empty, and ids.</summary>
    public SpecialTokenFinder(FrozenDictionary<string, int> specials)
    {
        this.specials = specials;
        lookup = specials.GetAlternateLookup<ReadOnlySpan<char>>();
        lengths = [.. specials.Keys.Select(name => name.Length).Distinct().OrderDescending()];
        prefix = specials.Keys.Aggregate(
            specials.Keys.FirstOrDefault(string.Empty),
            (common, name) => common[..common.AsSpan().CommonPrefixLength(name)]);
        char[] endings = [.. specials.Keys.Select(name => name[^1]).Distinct()];
        last = endings.Length == 1 ? endings[0] : null;
    }

    /// <summary>The first allowed token in the text, the longest if several start there; Start is -1 if none.</summary>
    public (int Start, int Length, int Id) Find(ReadOnlySpan<char> text, AllowedSpecials allowed)
    {
        for (int start = 0; start < text.Length && specials.Count > 0; start++)
        {
            int step = text[start..].IndexOf(prefix);
            if (step < 0)
            {
                break;
            }
            start += step;
            foreach (int length in lengths)
            {
                if (length > text.Length - start || (last is not null && text[start + length - 1] != last))
                {
                    continue;
                }
                if (lookup.TryGetValue(text.Slice(start, length), out int id)
                    && allowed.Contains(text.Slice(start, length).ToString()))
                {
                    return (start, length, id);
                }
            }
        }
        return (-1, 0, 0);
    }
}
