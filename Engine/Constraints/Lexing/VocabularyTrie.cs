using Llama4Kernels.Engine.Constraints.Elements;
using Llama4Kernels.Engine.Tokenization;

namespace Llama4Kernels.Engine.Constraints.Lexing;

/// <summary>
/// The ordinary tokens as a trie of bytes in depth-first order, so that a walk is a scan which jumps over the subtrees that it does
/// not want. Immutable.
/// </summary>
internal sealed class VocabularyTrie
{
    private readonly byte[] labels;
    private readonly ushort[] depths;
    private readonly int[] ends;
    private readonly int[] tokens;
    private readonly int[] firstByByte = new int[257];
    private readonly Lazy<CrossingTokens> crossing;
    private readonly int[] sorted;
    private readonly Lazy<TokenTexts> texts;
    private readonly Lazy<PlainTokens>[] plain;
    private readonly Lazy<WrittenTokens[]>[] written;

    public VocabularyTrie(Llama4Tokenizer tokenizer)
    {
        Tokenizer = tokenizer;
        crossing = new Lazy<CrossingTokens>(() => new CrossingTokens(this));
        // Ids may be without a token; special tokens of an older file's vocabulary may stand between the ordinary ones.
        HashSet<int> special = [.. tokenizer.SpecialTokens.Values];
        sorted = [.. Enumerable.Range(0, tokenizer.BaseVocabularySize).Where(id => tokenizer.BytesOf(id).Length > 0 && !special.Contains(id))];
        Array.Sort(sorted, (a, b) => tokenizer.BytesOf(a).SequenceCompareTo(tokenizer.BytesOf(b)));
        List<byte> label = [];
        List<ushort> depth = [];
        List<int> end = [];
        List<int> token = [];
        Stack<int> open = new();
        ReadOnlySpan<byte> previous = [];
        foreach (int id in sorted)
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
        (labels, depths, ends, tokens) = ([.. label], [.. depth], [.. end], [.. token]);
        Array.Fill(firstByByte, -1);
        for (int node = 0; node < labels.Length; node = ends[node])
        {
            firstByByte[labels[node]] = node;
        }
        texts = new Lazy<TokenTexts>(() => new TokenTexts(this));
        plain = [.. "\"'".Select(quote => new Lazy<PlainTokens>(
            () => new PlainTokens(Texts, [.. sorted.Where(token => Texts[token].Length > 0 && !Texts[token].ContainsAny(quote, '\\') && !Texts[token].ContainsAnyInRange(0, 0x1F))])))];
        written = [.. Enum.GetValues<TextForm>().Select(form => new Lazy<WrittenTokens[]>(() => WrittenTokens.Of(this, form)))];
        // What JSON needs is ready before the first request; the rest when it is asked for.
        _ = (Written(TextForm.JsonWithEscapes), Written(TextForm.Json));
    }

    public Llama4Tokenizer Tokenizer { get; }

    /// <summary>All tokens of the vocabulary, special ones included.</summary>
    public int VocabularySize => Tokenizer.VocabularySize;

    public int MaxTokenBytes { get; }

    /// <summary>The tokens in which elements of objects and arrays begin or objects close.</summary>
    public CrossingTokens Crossing => crossing.Value;

    /// <summary>The tokens of text, ascending by their bytes.</summary>
    public ReadOnlySpan<int> Sorted => sorted;

    /// <summary>What the tokens say.</summary>
    public TokenTexts Texts => texts.Value;

    /// <summary>The tokens that are nothing but text between double quotes, or else single ones.</summary>
    public PlainTokens Plain(bool doubleQuotes) => plain[doubleQuotes ? 0 : 1].Value;

    /// <summary>What the tokens do inside a text of a form, and before its quote; none for texts as they are.</summary>
    public IReadOnlyList<WrittenTokens> Written(TextForm form) => written[(int)form].Value;

    /// <summary>The byte that leads to each node.</summary>
    public ReadOnlySpan<byte> Labels => labels;

    /// <summary>Bytes from the root to each node, at least 1.</summary>
    public ReadOnlySpan<ushort> Depths => depths;

    /// <summary>The node after each node's subtree.</summary>
    public ReadOnlySpan<int> Ends => ends;

    /// <summary>The token that each node completes, or −1.</summary>
    public ReadOnlySpan<int> Tokens => tokens;

    /// <summary>The child of the root for a byte, or −1.</summary>
    public int First(byte value) => firstByByte[value];

    /// <summary>The child of a node for a byte, or −1.</summary>
    public int Child(int node, byte value)
    {
        for (int child = node + 1; child < ends[node]; child = ends[child])
        {
            if (labels[child] >= value)
            {
                return labels[child] == value ? child : -1;
            }
        }
        return -1;
    }
}
