using System.Collections.Concurrent;

namespace Llama4Kernels.PtxEmulator.Parsing;

/// <summary>Names that are visible together; inner ones hide outer ones.</summary>
internal sealed class PtxScope(PtxScope? parent)
{
    // Members of families are added when they are looked for, also by several that decode the module at once.
    private readonly ConcurrentDictionary<string, PtxSymbol> _symbols = new(StringComparer.Ordinal);
    private readonly Dictionary<string, (string Type, int Count, int Lanes)> _families = new(StringComparer.Ordinal);

    private PtxScope? Parent { get; } = parent;

    /// <summary>False if the scope has the name already, alone or in a family.</summary>
    public bool Add(PtxSymbol symbol) => Member(symbol.Name) is null && _symbols.TryAdd(symbol.Name, symbol);

    public void Replace(PtxSymbol symbol) => _symbols[symbol.Name] = symbol;

    /// <summary>Registers prefix0 to prefix(count - 1); false if the scope has one of these names already.</summary>
    public bool AddFamily(string prefix, string type, int count, int lanes = 1) =>
        !_symbols.Keys.Any(name => IsMember(name, prefix, count))
        && !_families.Any(other => Overlap(prefix, count, other.Key, other.Value.Count) || Overlap(other.Key, other.Value.Count, prefix, count))
        && _families.TryAdd(prefix, (type, count, lanes));

    public PtxSymbol? Find(string name)
    {
        for (PtxScope? scope = this; scope is not null; scope = scope.Parent)
        {
            if (scope._symbols.TryGetValue(name, out PtxSymbol? symbol))
            {
                return symbol;
            }
            if (scope.Member(name) is RegisterSymbol member)
            {
                return scope._symbols.GetOrAdd(name, member);
            }
        }
        return null;
    }

    private RegisterSymbol? Member(string name)
    {
        for (int at = name.Length - 1; at > 0 && char.IsAsciiDigit(name[at]); at--)
        {
            string prefix = name[..at];
            if (_families.TryGetValue(prefix, out (string Type, int Count, int Lanes) family) && IsMember(name, prefix, family.Count))
            {
                return new RegisterSymbol(name, family.Type) { Lanes = family.Lanes };
            }
        }
        return null;
    }

    // r1<5> and r<20> share r10 to r14; r1<5> and r<10> share none: the first of the longer ones decides.
    private static bool Overlap(string shorter, int count, string longer, int others) =>
        longer.Length > shorter.Length && others > 0 && IsMember(longer + "0", shorter, count);

    private static bool IsMember(string name, string prefix, int count) =>
        name.Length > prefix.Length && name.StartsWith(prefix, StringComparison.Ordinal) && (name[prefix.Length] != '0' || name.Length == prefix.Length + 1)
        && name.AsSpan(prefix.Length).IndexOfAnyExceptInRange('0', '9') < 0 && int.TryParse(name.AsSpan(prefix.Length), out int number) && number < count;
}
