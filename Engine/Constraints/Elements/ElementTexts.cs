using System.Runtime.InteropServices;
using Llama4Kernels.Engine.Constraints.Lexing;

namespace Llama4Kernels.Engine.Constraints.Elements;

/// <summary>
/// The elements that one object or array holds so far, as a trie of their texts without white space. Elements are written in one way,
/// but for the order of properties, so that equal elements have equal texts once their properties are sorted.
/// </summary>
internal sealed class ElementTexts
{
    public const int Root = 0;
    public const int Off = -1;

    private readonly ByteTrie _trie;
    private readonly HashSet<string> _sorted;
    private readonly List<(byte[] Text, AsciiSet Bytes)> _withObjects;
    private readonly List<int> _risky;

    public ElementTexts() => (_trie, _sorted, _withObjects, _risky) = (new ByteTrie(), new HashSet<string>(StringComparer.Ordinal), [], []);

    private ElementTexts(ElementTexts other) => (_trie, _sorted, _withObjects, _risky) = (
        new ByteTrie(other._trie), new HashSet<string>(other._sorted, StringComparer.Ordinal), [.. other._withObjects], [.. other._risky]);

    /// <summary>Tokens that may go through the beginning of an element and into one that is here.</summary>
    public ReadOnlySpan<int> Risky => CollectionsMarshal.AsSpan(_risky);

    public ElementTexts Clone() => new(this);

    /// <summary>The node after a byte, or <see cref="Off"/>.</summary>
    public int Child(int node, byte value) => node == Off ? Off : _trie.Child(node, value);

    /// <summary>The first of the nodes that bytes lead to, or <see cref="Off"/>.</summary>
    public int FirstChild(int node) => _trie.FirstChild(node);

    /// <summary>The next of them, or <see cref="Off"/>.</summary>
    public int NextSibling(int node) => _trie.NextSibling(node);

    /// <summary>The byte that leads to a node.</summary>
    public byte Label(int node) => _trie.Label(node);

    public int Find(ReadOnlySpan<byte> text)
    {
        int node = Root;
        foreach (byte value in text)
        {
            node = Child(node, value);
        }
        return node;
    }

    /// <summary>Whether the element that ends at a node is here.</summary>
    public bool IsElement(int node) => _trie.Tag(node) >= 0;

    /// <summary>Whether an equal element is here.</summary>
    /// <param name="text">The element.</param>
    /// <param name="node">Its node, or <see cref="Off"/>.</param>
    public bool Contains(ReadOnlySpan<byte> text, int node) =>
        (node != Off && IsElement(node)) || (CanBecome(text, text.Length) && _sorted.Contains(SortedText.Of(text)));

    /// <summary>
    /// Whether a beginning may become an element that is here with its properties in another order: whether there is one of at most a
    /// length that has all its bytes.
    /// </summary>
    public bool CanBecome(ReadOnlySpan<byte> beginning, int longest)
    {
        if (_withObjects.Count == 0)
        {
            return false;
        }
        AsciiSet bytes = AsciiSet.Of(beginning);
        Span<int> counts = stackalloc int[256];
        foreach ((byte[] element, AsciiSet has) in _withObjects)
        {
            if (element.Length < beginning.Length || element.Length > longest || !has.Contains(bytes))
            {
                continue;
            }
            counts.Clear();
            foreach (byte value in element)
            {
                counts[value]++;
            }
            bool hasAll = true;
            foreach (byte value in beginning)
            {
                hasAll &= --counts[value] >= 0;
            }
            if (hasAll)
            {
                return true;
            }
        }
        return false;
    }

    public void Add(ReadOnlySpan<byte> text, CrossingTokens crossing)
    {
        _trie.Add(text, 0);
        if (text[0] != '"' && text.IndexOf((byte)'{') >= 0)
        {
            _sorted.Add(SortedText.Of(text));
            _withObjects.Add((text.ToArray(), AsciiSet.Of(text)));
        }
        crossing.AddInto(text, _risky);
    }

    /// <summary>The bytes of ASCII that a text has.</summary>
    private readonly record struct AsciiSet(ulong Low, ulong High)
    {
        public static AsciiSet Of(ReadOnlySpan<byte> text)
        {
            (ulong low, ulong high) = (0, 0);
            foreach (byte value in text)
            {
                ulong bit = 1UL << (value & 63);
                low |= value < 64 ? bit : 0;
                high |= value is >= 64 and < 128 ? bit : 0;
            }
            return new AsciiSet(low, high);
        }

        public bool Contains(AsciiSet other) => (other.Low & ~Low) == 0 && (other.High & ~High) == 0;
    }
}
