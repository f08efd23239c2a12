using Llama4Kernels.Engine.Constraints.Lexing;
using Llama4Kernels.Engine.Constraints.Parsing;

namespace Llama4Kernels.Engine.Constraints.JsonSchema;

/// <summary>Makes the nodes that write an object, one for each place that makes a difference.</summary>
internal sealed class ObjectGrammar
{
    private readonly JsonGrammar _grammar;
    private readonly ObjectShape _shape;
    private readonly bool _asArguments;
    private readonly TextForm _form;
    private readonly Dictionary<State, Node> _nodes = [];
    private readonly Dictionary<(Choice, ElementMark), Node> _afterKeys = [];
    private readonly Dictionary<(int From, int To), LiteralAutomaton> _keys = [];
    private ByteTrie? _names;
    private ByteTrie? _listedNames;
    private Automaton? _others;

    /// <param name="grammar">Makes the rules of the values.</param>
    /// <param name="shape">The objects.</param>
    /// <param name="oneWay">Whether names and values are written in one way only.</param>
    /// <param name="asArguments">Whether they are written as arguments of a call in Python, up to its closing parenthesis.</param>
    public ObjectGrammar(JsonGrammar grammar, ObjectShape shape, bool oneWay, bool asArguments = false)
    {
        _grammar = grammar;
        _shape = shape;
        _asArguments = asArguments;
        _form = asArguments ? TextForm.Raw : grammar.WordForm(oneWay);
        Open = At(new State(Phase.Open, 0, 0, 0, 0, 0));
    }

    private enum Phase
    {
        Open,
        AfterValue,
        AfterComma,
    }

    /// <summary>The place after the opening brace.</summary>
    public Node Open { get; }

    private Node At(State state)
    {
        if (!_nodes.TryGetValue(state, out Node? node))
        {
            node = new LazyNode(() => Edges(state));
            _nodes.Add(state, node);
        }
        return node;
    }

    private Node.Edges Edges(State at)
    {
        List<Node.Terminal> terminals = [];
        if (at.Phase != Phase.AfterComma && _shape.RequiredFrom(at.Position) == 0 && at.Count >= _shape.Min && at.Met == _shape.AllDemands)
        {
            terminals.Add(_asArguments
                ? new Node.Terminal(new LiteralAutomaton((")"u8.ToArray(), 0)), LazyNode.End)
                : _grammar.Mark("}", LazyNode.End, ElementMark.Close));
        }
        if (at.Count < _shape.Max)
        {
            if (at.Phase != Phase.AfterValue)
            {
                AddKeys(at, terminals);
            }
            else if (NamedKeys(at).Any() || ListedKeys(at).Any() || OtherClasses(at).Any())
            {
                Node next = At(at with { Phase = Phase.AfterComma });
                terminals.Add(_asArguments
                    ? new Node.Terminal(new LiteralAutomaton((","u8.ToArray(), 0), (", "u8.ToArray(), 0)), next)
                    : _grammar.Mark(",", next, ElementMark.Next));
            }
        }
        return new Node.Edges([.. terminals], [], false);
    }

    private void AddKeys(State at, List<Node.Terminal> terminals)
    {
        int[] named = [.. NamedKeys(at)];
        if (named.Length > 0)
        {
            terminals.Add(KeyTerminal(
                Keys(named), property => AfterKey(Place(_shape.Properties[property], at, property + 1, at.Used))));
        }
        int[] listed = [.. ListedKeys(at)];
        if (listed.Length > 0)
        {
            _listedNames ??= Written(_shape.Listed);
            terminals.Add(KeyTerminal(
                new LiteralAutomaton(_listedNames, listed),
                i => AfterKey(Place(_shape.Listed[i], at, _shape.Properties.Length, at.Used | (1UL << i)))));
        }
        int[] classes = [.. OtherClasses(at)];
        if (classes.Length > 0)
        {
            Automaton automaton = classes.Length == _shape.Classes.Count(names => names.Value.IsProductive) ? Others() : Only(classes);
            terminals.Add(_grammar.Terminal(automaton, tag => AfterKey(Place(_shape.Classes[tag], at), ElementMark.Distinct)));
        }
    }

    private Node.Terminal KeyTerminal(Automaton automaton, Func<int, Node> target) =>
        _asArguments ? new Node.Terminal(automaton, target) : _grammar.Terminal(automaton, target);

    // Properties that follow each other without a gap are most of them; their automaton serves several places.
    private LiteralAutomaton Keys(int[] named)
    {
        _names ??= Written(_shape.Properties);
        (int From, int To) key = (named[0], named[^1]);
        if (named.Length != key.To - key.From + 1)
        {
            return new LiteralAutomaton(_names, named);
        }
        if (!_keys.TryGetValue(key, out LiteralAutomaton? known))
        {
            known = named.Length == _shape.Properties.Length ? new LiteralAutomaton(_names) : new LiteralAutomaton(_names, named);
            _keys.Add(key, known);
        }
        return known;
    }

    private ByteTrie Written(ObjectShape.Property[] properties) =>
        new(properties.SelectMany((property, i) => TextDecoder.Writings(_form, property.Name).Select(text => (text, i))));

    // Optional properties may be passed over, up to the first that is required.
    private IEnumerable<int> NamedKeys(State at)
    {
        for (int property = at.Position; property < _shape.Properties.Length; property++)
        {
            if (HasWay(Place(_shape.Properties[property], at, property + 1, at.Used)))
            {
                yield return property;
            }
            if (_shape.Properties[property].Required)
            {
                yield break;
            }
        }
    }

    private IEnumerable<int> ListedKeys(State at) => _shape.RequiredFrom(at.Position) > 0 ? [] : Enumerable.Range(0, _shape.Listed.Length).Where(
        i => (at.Used >> i & 1) == 0 && HasWay(Place(_shape.Listed[i], at, _shape.Properties.Length, at.Used | (1UL << i))));

    private IEnumerable<int> OtherClasses(State at) => _shape.RequiredFrom(at.Position) > 0 || _shape.Names.IsEmpty || at.Others >= _shape.Others ? []
        : Enumerable.Range(0, _shape.Classes.Length).Where(tag => HasWay(Place(_shape.Classes[tag], at)));

    private Choice Place(ObjectShape.Property property, State at, int position, ulong used) =>
        new(property.Value, property.Demands, Counted(at.Count), at.Met, position, used, at.Others);

    private Choice Place(ObjectShape.NameClass names, State at) => new(
        names.Value, names.Demands, Counted(at.Count), at.Met, _shape.Properties.Length, at.Used, _shape.Others == int.MaxValue ? 0 : at.Others + 1);

    private int Counted(int count) => _shape.Max == int.MaxValue ? Math.Min(count + 1, _shape.Min) : count + 1;

    // What the value may be, and the place after it.
    private IEnumerable<(SchemaSet Value, State After)> Ways(Choice key)
    {
        if (!key.Value.IsProductive && key.Demands == 0)
        {
            yield break;
        }
        foreach (int counts in _shape.Counts(key.Demands, key.Met))
        {
            SchemaSet way = _shape.Value(key.Value, counts);
            State after = new(Phase.AfterValue, key.Position, key.Count, key.Met | counts, key.Used, key.Others);
            if (way.IsProductive && _shape.CanComplete(key.Position, key.Count, after.Met, key.Used, key.Others))
            {
                yield return (way, after);
            }
        }
    }

    // Most names count for no demand; then there is one way at the most, and it is asked for often.
    private bool HasWay(Choice key) => key.Demands == 0
        ? key.Value.IsProductive && _shape.CanComplete(key.Position, key.Count, key.Met, key.Used, key.Others)
        : Ways(key).Any();

    private Node AfterKey(Choice key, ElementMark distinct = ElementMark.None)
    {
        if (!_afterKeys.TryGetValue((key, distinct), out Node? node))
        {
            LazyNode values = new(() => new Node.Edges(
                [], [.. Ways(key).Select(way => new Node.Call(_asArguments ? _grammar.RuleWithoutSpace(way.Value) : _grammar.RuleOf(way.Value), At(way.After)))], false));
            node = new LazyNode(() => new Node.Edges(
                [_asArguments ? new Node.Terminal(new LiteralAutomaton(("="u8.ToArray(), 0)), values) : _grammar.Mark(":", values, ElementMark.KeyEnd | distinct)], [], false));
            _afterKeys.Add((key, distinct), node);
        }
        return node;
    }

    private Automaton Others() => _others ??= Except(_shape.Names);

    private Automaton Only(int[] classes) => Except(DfaOperations.Combine(
        [_shape.Names], tags => classes.Contains(tags[0]) ? tags[0] : -1, ConstraintBudget.Unbounded()));

    private Automaton Except(Dfa all)
    {
        TextAutomaton texts = _grammar.Names(all);
        byte[][] taken = [.. _shape.Properties.Where(property => all.TagOf(property.Name) >= 0)
            .SelectMany(property => TextDecoder.Writings(TextForm.Json, property.Name))];
        return taken.Length == 0 ? texts : new ExceptAutomaton(texts, taken);
    }

    /// <param name="Phase">What has just been written.</param>
    /// <param name="Position">The named properties before this one are written or passed over.</param>
    /// <param name="Count">Properties written, at most as many as make a difference.</param>
    /// <param name="Met">Demands met.</param>
    /// <param name="Used">Listed properties written, as bits.</param>
    /// <param name="Others">Properties of the classes written, where their names are limited.</param>
    private readonly record struct State(Phase Phase, int Position, int Count, int Met, ulong Used, int Others);

    /// <summary>A place after a name, whatever place it was written at.</summary>
    /// <param name="Value">What the value is.</param>
    /// <param name="Demands">Demands that the name counts for.</param>
    /// <param name="Count">Properties written with this one, at most as many as make a difference.</param>
    /// <param name="Met">Demands met before it.</param>
    /// <param name="Position">The named properties before this one are then written or passed over.</param>
    /// <param name="Used">Listed properties then written.</param>
    /// <param name="Others">Properties of the classes then written.</param>
    private readonly record struct Choice(SchemaSet Value, int Demands, int Count, int Met, int Position, ulong Used, int Others);
}
