using Llama4Kernels.Engine.Constraints.Lexing;

namespace Llama4Kernels.Engine.Constraints.JsonSchema;

/// <summary>Makes the shape of the objects that meet conditions together.</summary>
internal sealed class ObjectShapeBuilder
{
    private const int MaxDemands = 8;
    private const int MaxListedNames = 64;

    private readonly SchemaProgram program;
    private readonly Conjunct conjunct;
    private readonly SchemaSet set;
    private readonly int[] scope;
    private readonly string[] patterns;
    private readonly int[] nameLiterals;
    private readonly Dfa[] automata;

    private ObjectShapeBuilder(SchemaProgram program, Conjunct conjunct, SchemaSet set)
    {
        this.set = set;
        scope = set.Scope;
        this.program = program;
        this.conjunct = conjunct;
        patterns = [.. conjunct.ObjectParts.SelectMany(part => part.Patterns.Select(entry => entry.Pattern))
            .Concat(conjunct.Demands.Select(demand => demand.Names.Pattern).OfType<string>())
            .Concat(conjunct.Demands.SelectMany(demand => demand.Names.AdditionalOf?.Patterns.Select(entry => entry.Pattern) ?? []))
            .Distinct(StringComparer.Ordinal)];
        nameLiterals = [.. conjunct.Names.Concat(conjunct.Demands.Select(demand => demand.Names.NameLiteral).OfType<int>()).Distinct()];
        automata = [
            .. patterns.Select(pattern => program.Library.Pattern(pattern, program.Budget)),
            .. nameLiterals.Select(literal => program.Texts(program.Intern([literal])))];
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
        Dictionary<string, int> ranks = program.Scopes.Ranks(scope);
        HashSet<string> declared = new(StringComparer.Ordinal);
        List<ObjectShape.NameClass> classes = [];
        Dfa names = OpenNames(classes);
        foreach (ObjectPart part in conjunct.ObjectParts)
        {
            declared.UnionWith(part.Properties.Select(property => property.Name));
        }
        declared.UnionWith(conjunct.Demands.SelectMany(demand => demand.Names.AdditionalOf?.Properties.Select(property => property.Name) ?? []));
        declared.UnionWith(conjunct.Required);
        declared.UnionWith(conjunct.Forbidden);
        declared.UnionWith(conjunct.Named.Select(entry => entry.Name));
        // A name that another alternative puts before one of these keeps its place also where it is as free as any other.
        int last = declared.Select(name => ranks.GetValueOrDefault(name, -1)).DefaultIfEmpty(-1).Max();
        declared.UnionWith(ranks.Where(entry => entry.Value < last && names.TagOf(entry.Key) >= 0).Select(entry => entry.Key));
        ObjectShape.Property[] listed = [];
        if (automata.Length > 0 && DfaWords.TryList(names, MaxListedNames) is { } words)
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
            program, [.. properties], listed, names, [.. classes], conjunct.MinProperties, conjunct.MaxProperties,
            [.. conjunct.Demands.Select(demand => demand.Literal)]);
    }

    private ObjectShape.Property Property(string name)
    {
        bool[] holds = [.. automata.Select(automaton => automaton.Accepts(name))];
        List<int> literals = [.. conjunct.Named.Where(entry => entry.Name == name).Select(entry => entry.Literal)];
        foreach (ObjectPart part in conjunct.ObjectParts)
        {
            AddLiterals(part, name, holds, literals);
        }
        if (conjunct.Forbidden.Contains(name) || !IsName(holds))
        {
            literals.Add(SchemaLiterals.False);
        }
        return new ObjectShape.Property(name, program.Intern(literals, program.Scopes.OfProperty(scope, name), set.WrittenOneWay), conjunct.Required.Contains(name), Demands(name, holds));
    }

    // Sorts the names that are not declared by what they match, for all that follows from a name follows from that.
    private Dfa OpenNames(List<ObjectShape.NameClass> classes)
    {
        if (conjunct.ObjectParts.Any(part => part is { Additional: SchemaLiterals.False, Patterns.Count: 0 }))
        {
            return DfaOperations.Nothing;
        }
        if (automata.Length == 0)
        {
            return Class([], classes) < 0 ? DfaOperations.Nothing : DfaOperations.Universal;
        }
        Dictionary<string, int> known = new(StringComparer.Ordinal);
        return DfaOperations.Combine(
            automata,
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
            program.Budget);
    }

    private int Class(bool[] holds, List<ObjectShape.NameClass> classes)
    {
        List<int> literals = [];
        foreach (ObjectPart part in conjunct.ObjectParts)
        {
            AddLiterals(part, null, holds, literals);
        }
        if (!IsName(holds) || literals.Contains(SchemaLiterals.False))
        {
            return -1;
        }
        classes.Add(new ObjectShape.NameClass(program.Intern(literals, program.Scopes.OfOther(scope, pattern => Array.IndexOf(patterns, pattern) is int at && at >= 0 && holds[at]), set.WrittenOneWay), Demands(null, holds)));
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
            if (holds[Array.IndexOf(patterns, pattern)])
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

    private bool IsName(bool[] holds) => conjunct.Names.All(literal => holds[patterns.Length + Array.IndexOf(nameLiterals, literal)]);

    private int Demands(string? name, bool[] holds)
    {
        int demands = 0;
        for (int i = 0; i < conjunct.Demands.Count; i++)
        {
            PropertyDemand.Filter filter = conjunct.Demands[i].Names;
            bool counts = filter.Pattern is string pattern ? holds[Array.IndexOf(patterns, pattern)]
                : filter.NameLiteral is int literal ? holds[patterns.Length + Array.IndexOf(nameLiterals, literal)]
                : filter.AdditionalOf is not ObjectPart part
                    || (!(name is not null && part.TryGet(name, out _)) && !part.Patterns.Any(entry => holds[Array.IndexOf(patterns, entry.Pattern)]));
            demands |= counts ? 1 << i : 0;
        }
        return demands;
    }
}
