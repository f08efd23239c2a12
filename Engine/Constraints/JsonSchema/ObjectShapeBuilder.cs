using Llama4Kernels.Engine.Constraints.Lexing;

namespace Llama4Kernels.Engine.Constraints.JsonSchema;

/// <summary>Makes the shape of the objects that meet conditions together.</summary>
internal sealed class ObjectShapeBuilder
{
    private const int MaxDemands = 8;
    private const int MaxListedNames = 64;

    private readonly SchemaProgram _program;
    private readonly Conjunct _conjunct;
    private readonly SchemaSet _set;
    private readonly int[] _scope;
    private readonly string[] _patterns;
    private readonly int[] _nameLiterals;
    private readonly Dfa[] _automata;

    private ObjectShapeBuilder(SchemaProgram program, Conjunct conjunct, SchemaSet set)
    {
        _set = set;
        _scope = set.Scope;
        _program = program;
        _conjunct = conjunct;
        _patterns = [.. conjunct.ObjectParts.SelectMany(part => part.Patterns.Select(entry => entry.Pattern))
            .Concat(conjunct.Demands.Select(demand => demand.Names.Pattern).OfType<string>())
            .Concat(conjunct.Demands.SelectMany(demand => demand.Names.AdditionalOf?.Patterns.Select(entry => entry.Pattern) ?? []))
            .Distinct(StringComparer.Ordinal)];
        _nameLiterals = [.. conjunct.Names.Concat(conjunct.Demands.Select(demand => demand.Names.NameLiteral).OfType<int>()).Distinct()];
        _automata = [
            .. _patterns.Select(pattern => program.Library.Pattern(pattern, program.Budget)),
            .. _nameLiterals.Select(literal => program.Texts(program.Intern([literal])))];
    }

    /// <param name="program">The schema.</param>
    /// <param name="conjunct">The conditions.</param>
    /// <param name="set">What the objects are values of: its scope orders the properties.</param>
    /// <returns>The shape, or null if there is plainly no such object.</returns>
    public static ObjectShape? Build(SchemaProgram program, Conjunct conjunct, SchemaSet set)
    {
        if (conjunct.Demands.Count > MaxDemands)
        {
            throw program.Budget.Exceeded($"more than {MaxDemands} properties must be there whatever their names.");
        }
        return new ObjectShapeBuilder(program, conjunct, set).Build();
    }

    private ObjectShape? Build()
    {
        Dictionary<string, int> ranks = _program.Scopes.Ranks(_scope);
        HashSet<string> declared = new(StringComparer.Ordinal);
        List<ObjectShape.NameClass> classes = [];
        Dfa names = OpenNames(classes);
        foreach (ObjectPart part in _conjunct.ObjectParts)
        {
            declared.UnionWith(part.Properties.Select(property => property.Name));
        }
        declared.UnionWith(_conjunct.Demands.SelectMany(demand => demand.Names.AdditionalOf?.Properties.Select(property => property.Name) ?? []));
        declared.UnionWith(_conjunct.Required);
        declared.UnionWith(_conjunct.Forbidden);
        declared.UnionWith(_conjunct.Named.Select(entry => entry.Name));
        // A name that another alternative puts before one of these keeps its place also where it is as free as any other.
        int last = declared.Select(name => ranks.GetValueOrDefault(name, -1)).DefaultIfEmpty(-1).Max();
        declared.UnionWith(ranks.Where(entry => entry.Value < last && names.TagOf(entry.Key) >= 0).Select(entry => entry.Key));
        ObjectShape.Property[] listed = [];
        if (_automata.Length > 0 && DfaWords.TryList(names, MaxListedNames) is { } words)
        {
            listed = [.. words.Select(entry => entry.Word).Where(word => !declared.Contains(word)).Select(Property)];
            classes.Clear();
            names = DfaOperations.Nothing;
        }
        List<ObjectShape.Property> properties = [];
        foreach (string name in declared.OrderBy(name => ranks.GetValueOrDefault(name, int.MaxValue)).ThenBy(name => name, StringComparer.Ordinal))
        {
            ObjectShape.Property property = Property(name);
            if (property.Required && property.Value.Literals.Contains(SchemaLiterals.False))
            {
                return null;
            }
            properties.Add(property);
        }
        return new ObjectShape(
            _program, [.. properties], listed, names, [.. classes], _conjunct.MinProperties, _conjunct.MaxProperties,
            [.. _conjunct.Demands.Select(demand => demand.Literal)]);
    }

    private ObjectShape.Property Property(string name)
    {
        bool[] holds = [.. _automata.Select(automaton => automaton.Accepts(name))];
        List<int> literals = [.. _conjunct.Named.Where(entry => entry.Name == name).Select(entry => entry.Literal)];
        foreach (ObjectPart part in _conjunct.ObjectParts)
        {
            AddLiterals(part, name, holds, literals);
        }
        if (_conjunct.Forbidden.Contains(name) || !IsName(holds))
        {
            literals.Add(SchemaLiterals.False);
        }
        int demands = Demands(name, holds);
        SchemaSet value = _program.Intern(literals, _program.Scopes.OfProperty(_scope, name), _set.WrittenOneWay, mayNarrow: demands != 0);
        return new ObjectShape.Property(name, value, _conjunct.Required.Contains(name), demands);
    }

    // Sorts the names that are not declared by what they match, for all that follows from a name follows from that.
    private Dfa OpenNames(List<ObjectShape.NameClass> classes)
    {
        if (_conjunct.ObjectParts.Any(part => part is { Additional: SchemaLiterals.False, Patterns.Count: 0 }))
        {
            return DfaOperations.Nothing;
        }
        if (_automata.Length == 0)
        {
            return Class([], classes) < 0 ? DfaOperations.Nothing : DfaOperations.Universal;
        }
        Dictionary<string, int> known = new(StringComparer.Ordinal);
        return DfaOperations.Combine(
            _automata,
            tags =>
            {
                string key = string.Concat(tags.Select(tag => tag >= 0 ? '1' : '0'));
                if (!known.TryGetValue(key, out int names))
                {
                    names = Class([.. tags.Select(tag => tag >= 0)], classes);
                    known.Add(key, names);
                }
                return names;
            },
            _program.Budget);
    }

    private int Class(bool[] holds, List<ObjectShape.NameClass> classes)
    {
        List<int> literals = [];
        foreach (ObjectPart part in _conjunct.ObjectParts)
        {
            AddLiterals(part, null, holds, literals);
        }
        if (!IsName(holds) || literals.Contains(SchemaLiterals.False))
        {
            return -1;
        }
        int demands = Demands(null, holds);
        int[] scope = _program.Scopes.OfOther(_scope, pattern => Array.IndexOf(_patterns, pattern) is int at && at >= 0 && holds[at]);
        classes.Add(new ObjectShape.NameClass(_program.Intern(literals, scope, _set.WrittenOneWay, mayNarrow: demands != 0), demands));
        return classes.Count - 1;
    }

    private void AddLiterals(ObjectPart part, string? name, bool[] holds, List<int> literals)
    {
        bool found = false;
        if (name is not null && part.TryGet(name, out int named))
        {
            literals.Add(named);
            found = true;
        }
        foreach ((string pattern, int literal) in part.Patterns)
        {
            if (holds[Array.IndexOf(_patterns, pattern)])
            {
                literals.Add(literal);
                found = true;
            }
        }
        if (!found && part.Additional is int additional)
        {
            literals.Add(additional);
        }
    }

    private bool IsName(bool[] holds) => _conjunct.Names.All(literal => holds[_patterns.Length + Array.IndexOf(_nameLiterals, literal)]);

    private int Demands(string? name, bool[] holds)
    {
        int demands = 0;
        for (int i = 0; i < _conjunct.Demands.Count; i++)
        {
            PropertyDemand.Filter filter = _conjunct.Demands[i].Names;
            bool counts = filter.Pattern is string pattern ? holds[Array.IndexOf(_patterns, pattern)]
                : filter.NameLiteral is int literal ? holds[_patterns.Length + Array.IndexOf(_nameLiterals, literal)]
                : filter.AdditionalOf is not ObjectPart part
                    || (!(name is not null && part.TryGet(name, out _)) && !part.Patterns.Any(entry => holds[Array.IndexOf(_patterns, entry.Pattern)]));
            demands |= counts ? 1 << i : 0;
        }
        return demands;
    }
}
