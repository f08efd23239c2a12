namespace Llama4Kernels.Engine.Constraints.Lexing;

/// <summary>What the tokens of a vocabulary say that are whole code points. Immutable.</summary>
internal sealed class TokenTexts
{
    private readonly int[] codePoints;
    private readonly int[] starts;

    public TokenTexts(VocabularyTrie vocabulary)
    {
        Words = (vocabulary.VocabularySize + 63) / 64;
        starts = new int[vocabulary.Tokenizer.BaseVocabularySize + 1];
        List<int> all = [];
        HashSet<int> tokens = [.. vocabulary.Sorted];
        for (int id = 0; id + 1 < starts.Length; id++)
        {
            starts[id] = all.Count;
            ReadOnlySpan<byte> bytes = tokens.Contains(id) ? vocabulary.Tokenizer.BytesOf(id) : [];
            while (System.Text.Rune.DecodeFromUtf8(bytes, out System.Text.Rune rune, out int used) == System.Buffers.OperationStatus.Done)
            {
                all.Add(rune.Value);
                bytes = bytes[used..];
            }
            if (bytes.Length > 0)
            {
                all.RemoveRange(starts[id], all.Count - starts[id]);
            }
            else if (all.Count > starts[id])
            {
                Longest = Math.Max(Longest, all.Count - starts[id]);
            }
        }
        starts[^1] = all.Count;
        codePoints = [.. all];
    }

    /// <summary>Words of a set of tokens as bits.</summary>
    public int Words { get; }

    /// <summary>Code points of the longest token.</summary>
    public int Longest { get; }

    /// <summary>The code points of a token; none if it is not whole.</summary>
    public ReadOnlySpan<int> this[int token] => codePoints.AsSpan(starts[token]..starts[token + 1]);
}
