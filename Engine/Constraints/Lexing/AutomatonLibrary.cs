using System.Collections.Concurrent;
using Llama4Kernels.Engine.Constraints.Regex;

namespace Llama4Kernels.Engine.Constraints.Lexing;

/// <summary>Automata that many constraints over one vocabulary need, made once. Thread-safe.</summary>
internal sealed class AutomatonLibrary
{
    private const int MaxEntries = 512;
    private const long MaxSliceBytes = 64L << 20;

    private readonly ConcurrentDictionary<string, Dfa> _patterns = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<(string Key, TextForm Form, int Min, int Max), TextAutomaton> _texts = new();
    private readonly ConcurrentDictionary<(string Key, TextForm Form), int> _sliceKeys = new();
    private readonly SliceCache _slices = new(MaxSliceBytes);
    private int _lastSliceKey;
    private readonly ConcurrentDictionary<string, LiteralAutomaton> _literals = new(StringComparer.Ordinal);

    /// <summary>The texts in which a pattern is found.</summary>
    public Dfa Pattern(string pattern, ConstraintBudget budget) => Get(_patterns, pattern, () => RegexParser.Search(pattern, budget));

    /// <summary>The texts that are an expression as a whole.</summary>
    public Dfa FullMatch(string pattern, ConstraintBudget budget) =>
        Get(_patterns, "\0" + pattern, () => RegexParser.FullMatch(pattern, budget));

    /// <summary>An automaton by a name that says all about it.</summary>
    public Dfa Dfa(string key, Func<Dfa> make) => Get(_patterns, "\u0001" + key, make);

    /// <summary>One text, as it is.</summary>
    public LiteralAutomaton Literal(string text) => Get(_literals, text, () => LiteralAutomaton.Of(text));

    /// <summary>Written texts of an automaton.</summary>
    /// <param name="key">Names the automaton: equal keys mean equal automata.</param>
    /// <param name="dfa">The texts.</param>
    /// <param name="form">How they are written.</param>
    /// <param name="min">Code points at least.</param>
    /// <param name="max">Code points at most, or int.MaxValue.</param>
    /// <param name="budget">Bounds the work.</param>
    public TextAutomaton Text(string key, Dfa dfa, TextForm form, int min, int max, ConstraintBudget budget)
    {
        string name = dfa.IsUniversal ? string.Empty : key;
        int sliceKey = Get(_sliceKeys, (name, form), () => Interlocked.Increment(ref _lastSliceKey));
        return Get(_texts, (name, form, min, max), () => new TextAutomaton(new BoundedTexts(dfa, min, max, budget), form, _slices, sliceKey));
    }

    private static TValue Get<TKey, TValue>(ConcurrentDictionary<TKey, TValue> entries, TKey key, Func<TValue> make)
        where TKey : notnull
    {
        if (entries.TryGetValue(key, out TValue? value))
        {
            return value;
        }
        value = make();
        if (entries.Count >= MaxEntries)
        {
            entries.Clear();
        }
        return entries.GetOrAdd(key, value);
    }
}
