using System.Text.Json;
using Llama4Kernels.Engine.Constraints.Lexing;

namespace Llama4Kernels.Engine.Constraints.JsonSchema;

/// <summary>A schema worked out: the values of each set of its schemas that can come to hold together, and which of them exist.</summary>
internal sealed class SchemaProgram
{
    private readonly Dictionary<int[], SchemaSet> _sets = new(SequenceComparer.Instance);
    private readonly Dictionary<(int, int), bool> _disjoint = [];
    private readonly Dictionary<int, List<Clause>> _clauses = [];
    private readonly ClauseReader _reader;
    private readonly List<SchemaSet> _reachable = [];

    /// <summary>Works a schema out.</summary>
    /// <param name="json">The document.</param>
    /// <param name="library">Where automata are kept.</param>
    /// <param name="budget">What it may cost.</param>
    /// <exception cref="ConstraintException">It is malformed, not supported, met by nothing, or too large.</exception>
    public SchemaProgram(JsonElement json, AutomatonLibrary library, ConstraintBudget budget)
    {
        Library = library;
        Budget = budget;
        Values = new ValueCount(this);
        Document = new SchemaDocument(json, budget.Limits);
        Check = new OptionCheck(literal => Clauses(Document[literal / 2]), AreSeenDisjoint);
        Scopes = new PropertyScopes(Document, pattern => library.Pattern(pattern, budget));
        _reader = new ClauseReader(Document, library, budget, TypesOf, AreDisjoint);
        Subschema root = Document.Root;
        Root = Intern(root.IsTrue ? [] : root.IsFalse ? [SchemaLiterals.False] : [root.Positive]);
        Solve();
        if (!Root.IsProductive)
        {
            throw new ConstraintException("schema", "#" + root.Pointer, "no value meets it.");
        }
    }

    public SchemaDocument Document { get; }

    public AutomatonLibrary Library { get; }

    public ConstraintBudget Budget { get; }

    /// <summary>The whole document.</summary>
    public SchemaSet Root { get; }

    /// <summary>How many values there are.</summary>
    public ValueCount Values { get; }

    /// <summary>Finds the alternatives that need not be looked at.</summary>
    public OptionCheck Check { get; }

    /// <summary>How properties are ordered.</summary>
    public PropertyScopes Scopes { get; }

    /// <summary>The set of some literals.</summary>
    /// <param name="literals">The literals.</param>
    /// <param name="scope">What orders properties; null for the literals' schemas.</param>
    /// <param name="writtenOneWay">Whether every value is written in one way only.</param>
    /// <param name="mayNarrow">Whether literals may be added later, so that the scope counts also where there are none yet.</param>
    public SchemaSet Intern(IEnumerable<int> literals, int[]? scope = null, bool writtenOneWay = false, bool mayNarrow = false)
    {
        int[] distinct = [.. literals.Where(literal => literal != SchemaLiterals.True).Distinct().Order()];
        distinct = distinct.Length > 1 && distinct[0] == SchemaLiterals.False ? [SchemaLiterals.False] : distinct;
        int[] own = [.. distinct.Select(literal => literal & ~1).Distinct()];
        int[] key = distinct;
        if (scope is null || scope.AsSpan().SequenceEqual(own) || (distinct is [] && !mayNarrow) || distinct is [SchemaLiterals.False])
        {
            scope = own;
        }
        else
        {
            key = [.. distinct, -1, .. scope];
        }
        key = writtenOneWay ? [.. key, -2] : key;
        if (!_sets.TryGetValue(key, out SchemaSet? set))
        {
            set = new SchemaSet(_sets.Count, distinct, scope, writtenOneWay);
            _sets.Add(key, set);
        }
        return set;
    }

    /// <summary>The values of a set.</summary>
    public ValueShape Expand(SchemaSet set)
    {
        if (set.Shape is null)
        {
            Budget.CheckStack();
            set.IsExpanding = true;
            set.Shape = new SchemaExpander(this, set).Expand();
            set.IsExpanding = false;
        }
        return set.Shape;
    }

    /// <summary>The strings of a set, bounds of length included.</summary>
    public Dfa Texts(SchemaSet set) => Expand(set).Texts.Aggregate(
        DfaOperations.Nothing, (texts, more) => DfaOperations.Union(texts, more.ToDfa(Library, Budget), Budget));

    public List<Clause> Clauses(Subschema schema)
    {
        if (!_clauses.TryGetValue(schema.Id, out List<Clause>? known))
        {
            known = _reader.Read(schema);
            _clauses.Add(schema.Id, known);
        }
        return known;
    }

    // From above: the types that a literal may hold for.
    private TypeSet TypesOf(int literal) =>
        Chain(literal).Aggregate(TypeSet.All, (types, clauses) => clauses.Aggregate(types, (all, clause) => all & clause.Types));

    // The clauses of a schema that is demanded and of those that it refers to.
    private IEnumerable<List<Clause>> Chain(int literal)
    {
        for (int depth = 0; depth < 4 && (literal & 1) == 0; depth++)
        {
            List<Clause> all = Clauses(Document[literal / 2]);
            yield return all;
            if (all.OfType<Clause.Demand>().FirstOrDefault(demand => demand.Name == "$ref") is not Clause.Demand reference)
            {
                yield break;
            }
            literal = reference.Literal;
        }
    }

    // As AreDisjoint, where their types tell or one of them lists texts and numbers.
    private bool AreSeenDisjoint(int first, int second) =>
        (TypesOf(first) & TypesOf(second)) == 0 || ((ListsScalars(first) || ListsScalars(second)) && AreDisjoint(first, second));

    private bool ListsScalars(int literal) =>
        Chain(literal).Any(clauses => clauses.Exists(clause => clause is Clause.Values { Arrays.Length: 0, Objects.Length: 0 }));

    // From below: whether two literals plainly hold for no common value.
    private bool AreDisjoint(int first, int second)
    {
        if (first == second)
        {
            return false;
        }
        (int, int) key = (Math.Min(first, second), Math.Max(first, second));
        if (!_disjoint.TryGetValue(key, out bool known))
        {
            // Asked again on the way, it is not known.
            _disjoint[key] = false;
            known = (TypesOf(first) & TypesOf(second)) == 0 || IsPlainlyEmpty(Intern([first, second]), 4);
            _disjoint[key] = known;
        }
        return known;
    }

    private bool IsPlainlyEmpty(SchemaSet set, int depth)
    {
        if (set.IsExpanding || depth == 0)
        {
            return false;
        }
        ValueShape shape = Expand(set);
        return !shape.HasScalars
            && shape.Objects.All(entry => entry.Properties.Any(property => property.Required && IsPlainlyEmpty(property.Value, depth - 1)))
            && shape.Arrays.All(entry => entry.Min > 0 && entry.Demands.Count == 0 && IsPlainlyEmpty(entry.Item(0, 0), depth - 1));
    }

    // Works out all sets that can be reached, then which have values: the least solution, found by asking until nothing changes.
    private void Solve()
    {
        HashSet<SchemaSet> seen = [Root];
        Queue<SchemaSet> pending = new([Root]);
        Dictionary<SchemaSet, List<SchemaSet>> users = [];
        while (pending.TryDequeue(out SchemaSet? set))
        {
            _reachable.Add(set);
            ValueShape shape = Expand(set);
            foreach (SchemaSet value in shape.Objects.SelectMany(entry => entry.Values()).Concat(shape.Arrays.SelectMany(entry => entry.Items())).Distinct())
            {
                if (!users.TryGetValue(value, out List<SchemaSet>? list))
                {
                    users.Add(value, list = []);
                }
                list.Add(set);
                if (seen.Add(value))
                {
                    pending.Enqueue(value);
                }
            }
        }
        HashSet<SchemaSet> asked = [.. _reachable];
        pending = new Queue<SchemaSet>(Enumerable.Reverse(_reachable));
        while (pending.TryDequeue(out SchemaSet? set))
        {
            asked.Remove(set);
            if (!set.IsProductive && IsProductive(set.Shape!))
            {
                set.IsProductive = true;
                foreach (SchemaSet user in users.GetValueOrDefault(set) ?? [])
                {
                    if (!user.IsProductive && asked.Add(user))
                    {
                        pending.Enqueue(user);
                    }
                }
            }
        }
        foreach (SchemaSet set in _reachable)
        {
            ValueShape shape = set.Shape!;
            shape.Objects.RemoveAll(entry => !entry.IsProductive());
            shape.Arrays.RemoveAll(entry => !entry.IsProductive());
            shape.Objects.ForEach(entry => entry.Settle(Budget));
            shape.Arrays.ForEach(entry => entry.Settle());
        }
        foreach (ArrayShape array in _reachable.SelectMany(set => set.Shape!.Arrays))
        {
            array.LimitDistinct();
        }
        // Seldom asked again, and then read again: a constraint is kept for long.
        _clauses.Clear();
        _disjoint.Clear();
    }

    private static bool IsProductive(ValueShape shape) =>
        shape.HasScalars || shape.Objects.Exists(entry => entry.IsProductive()) || shape.Arrays.Exists(entry => entry.IsProductive());
}
