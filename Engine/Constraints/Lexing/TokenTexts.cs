namespace Llama4Kernels.Engine.Constraints.Lexing;

/// <summary>What the tokens of a vocabulary say that are whole code points. Immutable.</summary>
internal sealed class TokenTexts
{
    private readonly int[] _codePoints;
    private readonly int[] _starts;

    public TokenTexts(VocabularyTrie vocabulary)
    {
        Words = (vocabulary.VocabularySize + 63) / 64;
        _starts = new int[vocabulary.Tokenizer.BaseVocabularySize + 1];
        List<int> all = [];
        HashSet<int> tokens = [.. vocabulary.Sorted];
        for (int id = 0; id + 1 < _starts.Length; id++)
        {
            _starts[id] = all.Count;
            ReadOnlySpan<byte> bytes = tokens.Contains(id) ? vocabulary.Tokenizer.BytesOf(id) : [];
            while (System.Text.Rune.DecodeFromUtf8(bytes, out System.Text.Rune rune, out int used) == System.Buffers.OperationStatus.Done)
            {
                all.Add(rune.Value);
                bytes = bytes[used..];
            }
            if (bytes.Length > 0)
            {
                all.RemoveRange(_starts[id], all.Count - _starts[id]);
            }
            else if (all.Count > _starts[id])
            {
                Longest = Math.Max(Longest, all.Count - _starts[id]);
            }
        }
        _starts[^1] = all.Count;
        _codePoints = [.. all];
    }

    /// <summary>Words of a set of tokens as bits.</summary>
    public int Words { get; }

    /// <summary>Code points of the longest token.</summary>
    public int Longest { get; }

    /// <summary>The code points of a token; none if it is not whole.</summary>
    public ReadOnlySpan<int> this[int token] => _codePoints.AsSpan(_starts[token].._starts[token + 1]);
}
