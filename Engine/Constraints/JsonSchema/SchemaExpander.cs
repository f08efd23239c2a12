using Llama4Kernels.Engine.Constraints.Lexing;

namespace Llama4Kernels.Engine.Constraints.JsonSchema;

/// <summary>Works out the values of a set of schemas: takes every combination of choices that does not contradict itself.</summary>
internal sealed class SchemaExpander(SchemaProgram program, SchemaSet set)
{
    private readonly ValueShape _shape = new();
    private readonly HashSet<string> _numbers = new(StringComparer.Ordinal);
    private readonly HashSet<string> _texts = new(StringComparer.Ordinal);
    private readonly HashSet<string> _composites = new(StringComparer.Ordinal);
    private readonly HashSet<int[]> _objects = new(SequenceComparer.Instance);
    private readonly Dictionary<string, int> _names = new(StringComparer.Ordinal);

    public ValueShape Expand()
    {
        Conjunct first = new();
        foreach (int literal in set.Literals)
        {
            first.Demand(literal);
        }
        Stack<Conjunct> pending = new([first]);
        while (pending.TryPop(out Conjunct? conjunct))
        {
            program.Budget.CountAlternatives(1);
            Resolve(conjunct);
            if ((conjunct.Types & TypeSet.Object) != 0 && program.Check.IsContradictory(conjunct))
            {
                conjunct.Restrict(~TypeSet.Object);
            }
            Option[]? choice = TakeChoice(conjunct);
            if (conjunct.Types == TypeSet.None)
            {
                continue;
            }
            if (choice is null)
            {
                Add(conjunct);
                continue;
            }
            for (int i = choice.Length - 1; i >= 0; i--)
            {
                Conjunct way = i == 0 ? conjunct : conjunct.Clone();
                choice[i].AddTo(way);
                pending.Push(way);
            }
        }
        UniteTexts();
        return _shape;
    }

    // Strings that differ only in what they match are one automaton: a mask asks each of them.
    private void UniteTexts()
    {
        foreach (TextLanguage[] alike in _shape.Texts.Where(text => text.Words is null).GroupBy(text => (text.Min, text.Max)).Select(texts => texts.ToArray()).ToArray())
        {
            if (alike.Length > 1 && TextLanguage.TryUnite(alike, program.Library, program.Budget) is { } united)
            {
                _shape.Texts.RemoveAll(alike.Contains);
                _shape.Texts.Add(united);
            }
        }
    }

    private void Resolve(Conjunct conjunct)
    {
        while (conjunct.Types != TypeSet.None && conjunct.Pending.TryPop(out int literal))
        {
            if (!conjunct.See(literal) || literal == SchemaLiterals.True)
            {
                continue;
            }
            Subschema schema = program.Document[literal / 2];
            List<Clause> clauses = program.Clauses(schema);
            if ((literal & 1) == 0)
            {
                foreach (Clause clause in clauses)
                {
                    program.Budget.Subject = (clause.Keyword, "#" + schema.Pointer);
                    clause.Assert(conjunct);
                }
            }
            else
            {
                conjunct.Choose([.. clauses.SelectMany(clause => clause.Negation())]);
            }
        }
    }

    // The choice with the fewest ways that are open; choices that are already met fall away.
    private Option[]? TakeChoice(Conjunct conjunct)
    {
        Option[]? best = null;
        int bestIndex = -1;
        for (int i = conjunct.Choices.Count - 1; i >= 0; i--)
        {
            Option[] open = [.. conjunct.Choices[i].Where(option => program.Check.Open(option, conjunct) != TypeSet.None)];
            if (Array.Exists(open, option => program.Check.IsMet(option, conjunct)))
            {
                conjunct.Choices.RemoveAt(i);
                bestIndex--;
                continue;
            }
            if (open.Length == 0)
            {
                conjunct.Restrict(TypeSet.None);
                return null;
            }
            if (best is null || open.Length <= best.Length)
            {
                best = open;
                bestIndex = i;
            }
        }
        if (best is not null)
        {
            conjunct.Choices.RemoveAt(bestIndex);
        }
        return best;
    }

    private void Add(Conjunct conjunct)
    {
        _shape.Simple |= conjunct.Types & (TypeSet.Null | TypeSet.Boolean);
        if ((conjunct.Types & TypeSet.Number) != 0)
        {
            string key = "number " + string.Join('&', conjunct.Numbers.Select(test => test.ToString()).Order(StringComparer.Ordinal));
            if (_numbers.Add(key))
            {
                Dfa dfa = program.Library.Dfa(key, () => NumberAutomata.Of(conjunct.Numbers, program.Budget));
                if (!dfa.IsEmpty)
                {
                    _shape.Numbers.Add((key, dfa, conjunct.Numbers.Any(test => test is { Kind: NumberTestKind.Integer, Negative: false })));
                }
            }
        }
        if ((conjunct.Types & TypeSet.String) != 0)
        {
            TextLanguage text = TextLanguage.Of(conjunct.Texts, conjunct.MinLength, conjunct.MaxLength, program.Library, program.Budget);
            string key = $"{text.Min} {text.Max} {text.Key} {(text.Words is null ? "-" : string.Join('\0', text.Words))}";
            if (!text.IsEmpty && _texts.Add(key))
            {
                _shape.Texts.Add(text);
            }
        }
        if ((conjunct.Types & TypeSet.Array) != 0)
        {
            AddArray(conjunct);
        }
        if ((conjunct.Types & TypeSet.Object) != 0)
        {
            AddObject(conjunct);
        }
    }

    private void AddArray(Conjunct conjunct)
    {
        bool oneWay = set.WrittenOneWay || conjunct.Unique is not null;
        int longest = conjunct.ArrayParts.Count == 0 ? 0 : conjunct.ArrayParts.Max(part => part.Prefix.Count);
        ContainsDemand[] demands = [.. conjunct.Contains.Distinct()];
        if (demands.Length > 4)
        {
            throw program.Budget.Exceeded("more than 4 conditions on what an array contains.");
        }
        bool mayNarrow = demands.Length > 0;
        SchemaSet[] prefix = new SchemaSet[longest];
        for (int index = 0; index < longest; index++)
        {
            prefix[index] = program.Intern(
                conjunct.ArrayParts.Select(part => index < part.Prefix.Count ? part.Prefix[index] : part.Rest ?? SchemaLiterals.True),
                program.Scopes.OfItem(set.Scope, index),
                oneWay,
                mayNarrow);
        }
        SchemaSet rest = program.Intern(
            conjunct.ArrayParts.Select(part => part.Rest ?? SchemaLiterals.True), program.Scopes.OfItem(set.Scope, longest), oneWay, mayNarrow);
        string key = $"[{string.Join(',', prefix.Select(item => item.Id))};{rest.Id};{conjunct.MinItems};{conjunct.MaxItems};{string.Join<ContainsDemand>(',', demands)};{conjunct.Unique is not null}";
        if (_composites.Add(key))
        {
            _shape.Arrays.Add(new ArrayShape(program, prefix, rest, conjunct.MinItems, conjunct.MaxItems, demands, conjunct.Unique));
        }
    }

    private void AddObject(Conjunct conjunct)
    {
        if (ObjectShapeBuilder.Build(program, conjunct, set) is not ObjectShape built)
        {
            return;
        }
        if (_objects.Add(KeyOf(built, conjunct)))
        {
            _shape.Objects.Add(built);
        }
    }

    // All that tells one shape from another, as numbers.
    private int[] KeyOf(ObjectShape built, Conjunct conjunct)
    {
        List<int> key = [built.Properties.Length, built.Listed.Length, built.Min, built.Max];
        foreach (ObjectShape.Property[] properties in (ObjectShape.Property[][])[built.Properties, built.Listed])
        {
            foreach (ObjectShape.Property property in properties)
            {
                key.Add(NumberOf(property.Name));
                key.Add((property.Value.Id << 1) | (property.Required ? 1 : 0));
            }
        }
        foreach (ObjectPart part in conjunct.ObjectParts)
        {
            foreach ((string pattern, _) in part.Patterns)
            {
                key.Add(NumberOf(pattern));
            }
        }
        key.Add(-1);
        key.AddRange(built.Classes.Select(names => names.Value.Id));
        key.Add(-1);
        key.AddRange(conjunct.Names);
        key.Add(-1);
        key.AddRange(conjunct.Demands.Select(demand => demand.GetHashCode()));
        return [.. key];
    }

    private int NumberOf(string name)
    {
        if (!_names.TryGetValue(name, out int number))
        {
            _names.Add(name, number = _names.Count);
        }
        return number;
    }
}
