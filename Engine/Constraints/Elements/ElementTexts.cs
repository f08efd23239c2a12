using System.Runtime.InteropServices;
using System.Text;

namespace Llama4Kernels.Engine.Constraints.Elements;

/// <summary>
/// The elements that one object or array holds so far, as a trie of their texts without white space. Elements are written in one way,
/// but for the order of properties, so that equal elements have equal texts once their properties are sorted.
/// </summary>
internal sealed class ElementTexts
{
    public const int Root = 0;
    public const int Off = -1;

    private readonly List<List<(byte Label, int Child)>> children = [[]];
    private readonly HashSet<int> whole = [];
    private readonly HashSet<string> sorted = new(StringComparer.Ordinal);
    private readonly List<byte[]> withObjects = [];
    private readonly List<int> risky = [];

    public ElementTexts()
    {
    }

    private ElementTexts(ElementTexts other)
    {
        children = [.. other.children.Select(list => new List<(byte, int)>(list))];
        whole = [.. other.whole];
        sorted = new HashSet<string>(other.sorted, StringComparer.Ordinal);
        withObjects = [.. other.withObjects];
        risky = [.. other.risky];
    }

    /// <summary>Tokens that may go through the beginning of an element and into one that is here.</summary>
    public ReadOnlySpan<int> Risky => CollectionsMarshal.AsSpan(risky);

    public ElementTexts Clone() => new(this);

    /// <summary>The node after a byte, or <see cref="Off"/>.</summary>
    public int Child(int node, byte value)
    {
        if (node == Off)
        {
            return Off;
        }
        foreach ((byte label, int child) in children[node])
        {
            if (label == value)
            {
                return child;
            }
        }
        return Off;
    }

    public ReadOnlySpan<(byte Label, int Child)> Children(int node) => CollectionsMarshal.AsSpan(children[node]);

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
    public bool IsElement(int node) => whole.Contains(node);

    /// <summary>Whether an equal element is here.</summary>
    public bool Contains(ReadOnlySpan<byte> text)
    {
        int node = Find(text);
        return (node != Off && whole.Contains(node)) || (CanBecome(text, text.Length) && sorted.Contains(SortedText.Of(text)));
    }

    /// <summary>
    /// Whether a beginning may become an element that is here with its properties in another order: whether there is one of at most a
    /// length that has all its bytes.
    /// </summary>
    public bool CanBecome(ReadOnlySpan<byte> beginning, int longest)
    {
        Span<int> counts = stackalloc int[256];
        foreach (byte[] element in withObjects)
        {
            if (element.Length < beginning.Length || element.Length > longest)
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
        int node = Root;
        foreach (byte value in text)
        {
            int next = Child(node, value);
            if (next == Off)
            {
                next = children.Count;
                children[node].Add((value, next));
                children.Add([]);
            }
            node = next;
        }
        whole.Add(node);
        if (text[0] != '"' && text.IndexOf((byte)'{') >= 0)
        {
            sorted.Add(SortedText.Of(text));
            withObjects.Add(text.ToArray());
        }
        foreach (int token in crossing.Into(text))
        {
            if (!risky.Contains(token))
            {
                risky.Add(token);
            }
        }
    }
}
