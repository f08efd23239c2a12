using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;

namespace Llama4Kernels.Engine.Constraints.Lexing;

/// <summary>
/// What the tokens do from one state of an automaton: those that stay inside it or just complete it, and, for those that go on after it
/// accepts, what they say then. Immutable.
/// </summary>
internal sealed class Slice
{
    // From so many tokens on bits are smaller than numbers to set one by one.
    private const int DenseFrom = 2048;

    [ThreadStatic]
    private static List<int>? s_numbers;

    private Slice(ulong[]? dense, int[] sparse, Exit[] exits, Closing[] closings) =>
        (Dense, Sparse, Exits, Closings) = (dense, sparse, exits, closings);

    /// <summary>The tokens as bits, where they are many; else null.</summary>
    public ulong[]? Dense { get; }

    /// <summary>The tokens, where they are few.</summary>
    public int[] Sparse { get; }

    /// <summary>Acceptance inside tokens, by tag.</summary>
    public Exit[] Exits { get; }

    /// <summary>Acceptance at closing quotes, by tag.</summary>
    public Closing[] Closings { get; }

    /// <summary>Bytes that it holds alone.</summary>
    public long Size => 64 + (8L * (Dense?.Length ?? 0)) + (4L * Sparse.Length)
        + Exits.Sum(exit => 32 + (4L * exit.Nodes.Length)) + Closings.Sum(closing => 32 + (8L * closing.Groups.Length));

    /// <summary>Takes tokens as bits, and by tag the nodes of the vocabulary where the automaton accepts and tokens go on.</summary>
    public static Slice Of(ReadOnlySpan<ulong> tokens, SortedDictionary<int, List<int>> exits, TokenSets sets) =>
        Make(tokens, exits.Count == 0 ? [] : [.. exits.Select(exit => new Exit(exit.Key, sets.Of(CollectionsMarshal.AsSpan(exit.Value))))], [], sets);

    /// <summary>Takes tokens as bits, and what closes the text.</summary>
    public static Slice Of(ReadOnlySpan<ulong> tokens, Closing[] closings, TokenSets sets) => Make(tokens, [], closings, sets);

    public static void Add<T>(SortedDictionary<int, List<T>> lists, int tag, T entry)
    {
        if (!lists.TryGetValue(tag, out List<T>? entries))
        {
            lists.Add(tag, entries = []);
        }
        entries.Add(entry);
    }

    /// <summary>Adds the numbers of the bits that are set, ascending.</summary>
    public static void AddNumbers(ReadOnlySpan<ulong> bits, List<int> numbers)
    {
        for (int word = 0; word < bits.Length; word++)
        {
            for (ulong left = bits[word]; left != 0; left &= left - 1)
            {
                numbers.Add((word << 6) + BitOperations.TrailingZeroCount(left));
            }
        }
    }

    /// <summary>Whether so many tokens are kept as bits.</summary>
    public static bool AreDense(ReadOnlySpan<ulong> tokens) => Count(tokens) >= DenseFrom;

    /// <summary>The same without some groups of tokens.</summary>
    public Slice Without(HashSet<Rest[]> groups) => new(
        Dense, Sparse, Exits, [.. Closings.Select(closing => closing with { Groups = [.. closing.Groups.Where(group => !groups.Contains(group))] })]);

    private static Slice Make(ReadOnlySpan<ulong> tokens, Exit[] exits, Closing[] closings, TokenSets sets) => AreDense(tokens)
        ? new Slice(sets.Of(tokens), [], exits, closings)
        : new Slice(null, Numbers(tokens, sets), exits, closings);

    private static int[] Numbers(ReadOnlySpan<ulong> bits, TokenSets sets)
    {
        s_numbers ??= [];
        s_numbers.Clear();
        AddNumbers(bits, s_numbers);
        return sets.Of(CollectionsMarshal.AsSpan(s_numbers));
    }

    private static int Count(ReadOnlySpan<ulong> bits) => (int)TensorPrimitives.PopCount(bits);

    /// <summary>Acceptance with a tag, and the nodes of the vocabulary where it is reached and tokens go on.</summary>
    public readonly record struct Exit(int Tag, int[] Nodes);

    /// <summary>Acceptance with a tag at a quote, and the tokens that come to it, by what they say then.</summary>
    /// <param name="Tag">The tag.</param>
    /// <param name="Rests">All that they may say.</param>
    /// <param name="Groups">The tokens, together those that say the same before.</param>
    public readonly record struct Closing(int Tag, SuffixTrie Rests, Rest[][] Groups);

    /// <summary>A token and the node where its rest ends; −1 if it says nothing more.</summary>
    public readonly record struct Rest(int Node, int Token);
}
