using Llama4Kernels.Engine.Constraints.Lexing;

namespace Llama4Kernels.Engine.Constraints.Elements;

/// <summary>The tokens of a vocabulary in which an element may begin and go on, and those in which an object may close. Immutable.</summary>
internal sealed class CrossingTokens
{
    private readonly VocabularyTrie _vocabulary;

    // By the first byte, and after a quote by the second one: tokens and where the element begins in them.
    private readonly Dictionary<int, List<(int Token, int Start)>> _byBeginning = [];

    public CrossingTokens(VocabularyTrie vocabulary)
    {
        _vocabulary = vocabulary;
        List<int> closing = [];
        for (int token = 0; token < vocabulary.Tokenizer.BaseVocabularySize; token++)
        {
            ReadOnlySpan<byte> bytes = vocabulary.Tokenizer.BytesOf(token);
            if (bytes.IndexOf((byte)'}') >= 0)
            {
                closing.Add(token);
            }
            int from = 0;
            for (int at = bytes.IndexOfAny(",[{"u8); at >= 0; at = bytes[from..].IndexOfAny(",[{"u8))
            {
                from += at + 1;
                int start = from;
                while (start < bytes.Length && bytes[start] is (byte)' ' or (byte)'\n' or (byte)'\r' or (byte)'\t')
                {
                    start++;
                }
                if (start < bytes.Length)
                {
                    int key = Key(bytes[start..]);
                    if (!_byBeginning.TryGetValue(key, out List<(int, int)>? list))
                    {
                        _byBeginning.Add(key, list = []);
                    }
                    list.Add((token, start));
                }
            }
        }
        Closing = [.. closing];
    }

    /// <summary>The tokens with a closing brace.</summary>
    public int[] Closing { get; }

    /// <summary>Adds the tokens in which an element begins as a text does, as far as both go, to those that are known.</summary>
    public void AddInto(ReadOnlySpan<byte> text, List<int> known)
    {
        AddInto(Key(text), text, known);
        if (Key(text) != Key(text[..1]))
        {
            AddInto(Key(text[..1]), text, known);
        }
    }

    private void AddInto(int key, ReadOnlySpan<byte> text, List<int> known)
    {
        if (!_byBeginning.TryGetValue(key, out List<(int Token, int Start)>? tokens))
        {
            return;
        }
        foreach ((int token, int start) in tokens)
        {
            ReadOnlySpan<byte> part = _vocabulary.Tokenizer.BytesOf(token)[start..];
            int common = part.CommonPrefixLength(text);
            if ((common == part.Length || common == text.Length) && !known.Contains(token))
            {
                known.Add(token);
            }
        }
    }

    private static int Key(ReadOnlySpan<byte> text) => text[0] != '"' || text.Length == 1 ? text[0] : text[0] << 8 | text[1];
}
