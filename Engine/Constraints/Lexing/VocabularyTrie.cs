using Llama4Kernels.Engine.Constraints.Elements;
using Llama4Kernels.Engine.Tokenization;

namespace Llama4Kernels.Engine.Constraints.Lexing;

/// <summary>
/// The ordinary tokens as a trie of bytes in depth-first order, so that a walk is a scan which jumps over the subtrees that it does
/// not want. Immutable.
/// </summary>
internal sealed class VocabularyTrie
{
    private readonly byte[] _labels;
    private readonly ushort[] _depths;
    private readonly int[] _ends;
    private readonly int[] _tokens;
    private readonly int[] _firstByByte = new int[257];
    private readonly Lazy<CrossingTokens> _crossing;
    private readonly int[] _sorted;
    private readonly Lazy<TokenTexts> _texts;
    private readonly Lazy<PlainTokens>[] _plain;
    private readonly Lazy<WrittenTokens[]>[] _written;

    public VocabularyTrie(Llama4Tokenizer tokenizer)
    {
        Tokenizer = tokenizer;
        _crossing = new Lazy<CrossingTokens>(() => new CrossingTokens(this));
        // Ids may be without a token; special tokens of an older file's vocabulary may stand between the ordinary ones.
        HashSet<int> special = [.. tokenizer.SpecialTokens.Values];
        _sorted = [.. Enumerable.Range(0, tokenizer.BaseVocabularySize).Where(id => tokenizer.BytesOf(id).Length > 0 && !special.Contains(id))];
        Array.Sort(_sorted, (a, b) => tokenizer.BytesOf(a).SequenceCompareTo(tokenizer.BytesOf(b)));
        List<byte> label = [];
        List<ushort> depth = [];
        List<int> end = [];
        List<int> token = [];
        Stack<int> open = new();
        ReadOnlySpan<byte> previous = [];
        foreach (int id in _sorted)
        {
            ReadOnlySpan<byte> bytes = tokenizer.BytesOf(id);
            int shared = bytes.CommonPrefixLength(previous);
            while (open.Count > shared)
            {
                end[open.Pop()] = label.Count;
            }
            for (int i = shared; i < bytes.Length; i++)
            {
                open.Push(label.Count);
                label.Add(bytes[i]);
                depth.Add((ushort)(i + 1));
                end.Add(0);
                token.Add(-1);
            }
            token[open.Peek()] = id;
            MaxTokenBytes = Math.Max(MaxTokenBytes, bytes.Length);
            previous = bytes;
        }
        while (open.TryPop(out int node))
        {
            end[node] = label.Count;
        }
        (_labels, _depths, _ends, _tokens) = ([.. label], [.. depth], [.. end], [.. token]);
        Array.Fill(_firstByByte, -1);
        for (int node = 0; node < _labels.Length; node = _ends[node])
        {
            _firstByByte[_labels[node]] = node;
        }
        Spaces = [.. _sorted.Where(token => !tokenizer.BytesOf(token).ContainsAnyExcept(" \n\r\t"u8))];
        _texts = new Lazy<TokenTexts>(() => new TokenTexts(this));
        _plain = [.. "\"'".Select(quote => new Lazy<PlainTokens>(
            () => new PlainTokens(Texts, [.. _sorted.Where(token => Texts[token].Length > 0 && !Texts[token].ContainsAny(quote, '\\') && !Texts[token].ContainsAnyInRange(0, 0x1F))])))];
        _written = [.. Enum.GetValues<TextForm>().Select(form => new Lazy<WrittenTokens[]>(() => WrittenTokens.Of(this, form)))];
        // What JSON needs is ready before the first request; the rest when it is asked for.
        _ = (Written(TextForm.JsonWithEscapes), Written(TextForm.Json));
    }

    public Llama4Tokenizer Tokenizer { get; }

    /// <summary>All tokens of the vocabulary, special ones included.</summary>
    public int VocabularySize => Tokenizer.VocabularySize;

    public int MaxTokenBytes { get; }

    /// <summary>The tokens in which elements of objects and arrays begin or objects close.</summary>
    public CrossingTokens Crossing => _crossing.Value;

    /// <summary>The tokens of text, ascending by their bytes.</summary>
    public ReadOnlySpan<int> Sorted => _sorted;

    /// <summary>The tokens that are nothing but white space of JSON.</summary>
    public int[] Spaces { get; }

    /// <summary>Equal sets of tokens as one object.</summary>
    public TokenSets Sets { get; } = new();

    /// <summary>What the tokens say.</summary>
    public TokenTexts Texts => _texts.Value;

    /// <summary>The tokens that are nothing but text between double quotes, or else single ones.</summary>
    public PlainTokens Plain(bool doubleQuotes) => _plain[doubleQuotes ? 0 : 1].Value;

    /// <summary>What the tokens do inside a text of a form, and before its quote; none for texts as they are.</summary>
    public IReadOnlyList<WrittenTokens> Written(TextForm form) => _written[(int)form].Value;

    /// <summary>The byte that leads to each node.</summary>
    public ReadOnlySpan<byte> Labels => _labels;

    /// <summary>Bytes from the root to each node, at least 1.</summary>
    public ReadOnlySpan<ushort> Depths => _depths;

    /// <summary>The node after each node's subtree.</summary>
    public ReadOnlySpan<int> Ends => _ends;

    /// <summary>The token that each node completes, or −1.</summary>
    public ReadOnlySpan<int> Tokens => _tokens;

    /// <summary>The child of the root for a byte, or −1.</summary>
    public int First(byte value) => _firstByByte[value];

    /// <summary>The child of a node for a byte, or −1.</summary>
    public int Child(int node, byte value)
    {
        for (int child = node + 1; child < _ends[node]; child = _ends[child])
        {
            if (_labels[child] >= value)
            {
                return _labels[child] == value ? child : -1;
            }
        }
        return -1;
    }
}
