using Llama4Kernels.Engine.Constraints.Lexing;
using Llama4Kernels.Engine.Constraints.Parsing;

namespace Llama4Kernels.Engine.Constraints.JsonSchema;

/// <summary>Makes the rules that write the values of a schema.</summary>
internal sealed class JsonGrammar(SchemaProgram program, JsonDialect dialect, bool freeSpace)
{
    private readonly AutomatonLibrary _library = program.Library;
    private readonly ConstraintBudget _budget = new(program.Budget.Limits with { MaxCompileTime = TimeSpan.MaxValue, MaxCompileBytes = long.MaxValue, MaxStates = int.MaxValue });
    private readonly Dictionary<(ArrayShape, ArrayPhase, int, string), Node> _arrayNodes = [];
    private readonly Dictionary<ObjectShape, ObjectGrammar> _objects = [];

    private enum ArrayPhase
    {
        Open,
        AfterItem,
    }

    /// <summary>The form of words: strings that the schema spells.</summary>
    /// <param name="oneWay">Whether every value is written in one way only.</param>
    public TextForm WordForm(bool oneWay) => IsPython && !oneWay ? TextForm.Python : TextForm.Json;

    private bool IsPython => dialect != JsonDialect.Json;

    /// <summary>The rule that writes the document.</summary>
    /// <exception cref="ConstraintException">It is to be written as arguments, and some cannot be.</exception>
    public Rule Root() => dialect == JsonDialect.PythonArguments ? Arguments() : RuleWithoutSpace(program.Root);

    /// <summary>The rule that writes a value where no white space stands before it.</summary>
    public Rule RuleWithoutSpace(SchemaSet set) => new(() => Value(set, false));

    /// <summary>The rule that writes a value inside the document.</summary>
    public Rule RuleOf(SchemaSet set) => set.Rule ??= new Rule(() => Value(set, freeSpace));

    /// <summary>A fixed piece of text, where white space may stand before it if it may at all.</summary>
    public Node.Terminal Mark(string text, Node target, ElementMark mark) => new(_library.Literal(text), target, freeSpace, mark);

    public Node.Terminal Terminal(Automaton automaton, Func<int, Node> target) => new(automaton, target, freeSpace);

    /// <summary>Names that the schema does not spell. They are written in one way, so that a name that comes again is known.</summary>
    public TextAutomaton Names(Dfa names) => _library.Text($"names {System.Runtime.CompilerServices.RuntimeHelpers.GetHashCode(names)}", names, TextForm.Json, 0, int.MaxValue, _budget);

    // What the schema does not spell has no name that a model could be told.
    private Rule Arguments()
    {
        ObjectShape[] shapes = [.. program.Expand(program.Root).Objects.Select(entry => entry.WithoutOthers()).Where(entry => entry.IsProductive())];
        if (shapes.Length == 0)
        {
            throw new ConstraintException("schema", "#", "takes arguments whose names it does not spell; call the tool in the JSON form.");
        }
        foreach (ObjectShape.Property property in shapes.SelectMany(entry => entry.Properties.Concat(entry.Listed)).Where(property => property.Value.IsProductive))
        {
            PythonName.CheckParameter(property.Name, "#");
        }
        ObjectGrammar[] ways = [.. shapes.Select(entry => new ObjectGrammar(this, entry, false, asArguments: true))];
        return new Rule(() => new LazyNode(() => new Node.Edges([.. ways.SelectMany(way => way.Open.Next.Terminals)], [], false)));
    }

    private LazyNode Value(SchemaSet set, bool skipsSpace) => new(() =>
    {
        ValueShape shape = program.Expand(set);
        List<Node.Terminal> terminals = [];
        List<(byte[], int)> words = [];
        foreach ((TypeSet type, string json, string python) in s_words)
        {
            if ((shape.Simple & type) != 0)
            {
                words.Add((System.Text.Encoding.UTF8.GetBytes(IsPython ? python : json), 0));
            }
        }
        foreach (TextLanguage text in shape.Texts)
        {
            if (text.Words is not null)
            {
                words.AddRange(text.Words.SelectMany(word => TextDecoder.Writings(WordForm(set.WrittenOneWay), word)).Select(word => (word, 0)));
            }
            else
            {
                TextForm form = !IsPython && !set.WrittenOneWay ? TextForm.JsonWithEscapes : WordForm(set.WrittenOneWay);
                Add(_library.Text(text.Key, text.Dfa, form, text.Min, text.Max, _budget), LazyNode.End);
            }
        }
        foreach ((string key, Dfa dfa, bool areIntegers) in shape.Numbers)
        {
            // To Python 1.0 is no integer.
            TextAutomaton numbers = set.WrittenOneWay || (areIntegers && IsPython)
                ? _library.Text(key + " in one way", NumberAutomata.InOneWay(key, dfa, _library, _budget), TextForm.Raw, 0, int.MaxValue, _budget)
                : _library.Text(key, dfa, TextForm.Raw, 0, int.MaxValue, _budget);
            Add(numbers, LazyNode.End);
        }
        if (words.Count > 0)
        {
            Add(new LiteralAutomaton(words), LazyNode.End);
        }
        foreach (ArrayShape array in shape.Arrays)
        {
            Add(_library.Literal("["), ArrayNode(array, ArrayPhase.Open, 0, new int[array.Demands.Count]), ElementMark.Open);
        }
        foreach (ObjectShape entry in shape.Objects)
        {
            if (!_objects.TryGetValue(entry, out ObjectGrammar? grammar))
            {
                _objects.Add(entry, grammar = new ObjectGrammar(this, entry, set.WrittenOneWay));
            }
            Add(_library.Literal("{"), grammar.Open, ElementMark.Open);
        }
        return new Node.Edges([.. terminals], [], false);

        void Add(Automaton automaton, Node target, ElementMark mark = ElementMark.None) =>
            terminals.Add(new Node.Terminal(automaton, target, skipsSpace, mark));
    });

    private static readonly (TypeSet, string, string)[] s_words =
        [(TypeSet.Null, "null", "None"), (TypeSet.True, "true", "True"), (TypeSet.False, "false", "False")];

    private Node ArrayNode(ArrayShape array, ArrayPhase phase, int index, int[] counted)
    {
        (ArrayShape, ArrayPhase, int, string) key = (array, phase, index, string.Join(',', counted));
        if (!_arrayNodes.TryGetValue(key, out Node? node))
        {
            node = new LazyNode(() => ArrayEdges(array, phase, index, counted));
            _arrayNodes.Add(key, node);
        }
        return node;
    }

    private Node.Edges ArrayEdges(ArrayShape array, ArrayPhase phase, int index, int[] counted)
    {
        List<Node.Terminal> terminals = [];
        ElementMark distinct = array.IsUnique ? ElementMark.Distinct : ElementMark.None;
        if (index >= array.Min && array.IsMet(counted))
        {
            terminals.Add(Mark("]", LazyNode.End, ElementMark.Close | distinct));
        }
        Node.Call[] items = index < array.Max ? [.. ItemCalls(array, index, counted)] : [];
        if (phase == ArrayPhase.Open)
        {
            return new Node.Edges([.. terminals], items, false);
        }
        if (items.Length > 0)
        {
            terminals.Add(Mark(",", new LazyNode(() => new Node.Edges([], items, false)), ElementMark.Next | distinct));
        }
        return new Node.Edges([.. terminals], [], false);
    }

    private IEnumerable<Node.Call> ItemCalls(ArrayShape array, int index, int[] counted)
    {
        // Once all items are alike an unbounded array need not be counted any further.
        int next = array.Max == int.MaxValue ? Math.Min(index + 1, array.Settled) : index + 1;
        foreach (int counts in array.Counts(index))
        {
            SchemaSet item = array.Item(index, counts);
            if (item.IsProductive && array.After(counted, counts) is int[] after && array.CanComplete(index + 1, after))
            {
                yield return new Node.Call(RuleOf(item), ArrayNode(array, ArrayPhase.AfterItem, next, after));
            }
        }
    }
}
