using Llama4Kernels.Engine.Constraints.Lexing;
using Llama4Kernels.Engine.Constraints.Parsing;

namespace Llama4Kernels.Engine.Constraints.JsonSchema;

/// <summary>Makes the nodes that write an object, one for each place that makes a difference.</summary>
internal sealed class ObjectGrammar
{
    private readonly JsonGrammar grammar;
    private readonly ObjectShape shape;
    private readonly Dictionary<State, Node> nodes = [];
    private readonly byte[][][] names;
    private Automaton? others;

    public ObjectGrammar(JsonGrammar grammar, ObjectShape shape)
    {
        this.grammar = grammar;
        this.shape = shape;
        names = [.. shape.Properties.Select(property => TextDecoder.Writings(grammar.StrictForm, property.Name).ToArray())];
        Open = At(new State(Phase.Open, 0, 0, 0));
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
        if (!nodes.TryGetValue(state, out Node? node))
        {
            node = new LazyNode(() => Edges(state));
            nodes.Add(state, node);
        }
        return node;
    }

    private Node.Edges Edges(State at)
    {
        List<Node.Terminal> terminals = [];
        if (at.Phase != Phase.AfterComma && shape.RequiredFrom(at.Position) == 0 && at.Count >= shape.Min && at.Met == shape.AllDemands)
        {
            terminals.Add(grammar.Mark("}", LazyNode.End));
        }
        if (at.Count < shape.Max)
        {
            if (at.Phase != Phase.AfterValue)
            {
                AddKeys(at, terminals);
            }
            else if (HasKey(at))
            {
                terminals.Add(grammar.Mark(",", At(at with { Phase = Phase.AfterComma })));
            }
        }
        return new Node.Edges([.. terminals], [], false);
    }

    private bool HasKey(State at) => NamedKeys(at).Any() || (MayBeOther(at) && OtherClasses(at).Any());

    private void AddKeys(State at, List<Node.Terminal> terminals)
    {
        (byte[], int)[] named = [.. NamedKeys(at).SelectMany(property => names[property].Select(name => (name, property)))];
        if (named.Length > 0)
        {
            terminals.Add(grammar.Terminal(new LiteralAutomaton(named), property => AfterKey(
                shape.Properties[property].Value, shape.Properties[property].Demands, at, property + 1)));
        }
        if (!MayBeOther(at))
        {
            return;
        }
        int[] classes = [.. OtherClasses(at)];
        if (classes.Length > 0)
        {
            Automaton automaton = classes.Length == PossibleClasses ? Others() : Only(classes);
            terminals.Add(grammar.Terminal(
                automaton, tag => AfterKey(shape.Classes[tag].Value, shape.Classes[tag].Demands, at, shape.Properties.Length), isOpenKey: true));
        }
    }

    private int PossibleClasses => shape.Classes.Count(names => names.Value.IsProductive);

    // Optional properties may be passed over, up to the first that is required.
    private IEnumerable<int> NamedKeys(State at)
    {
        for (int property = at.Position; property < shape.Properties.Length; property++)
        {
            if (shape.IsPossible(property) && Ways(shape.Properties[property].Value, shape.Properties[property].Demands, at, property + 1).Any())
            {
                yield return property;
            }
            if (shape.Properties[property].Required)
            {
                yield break;
            }
        }
    }

    private bool MayBeOther(State at) => shape.IsOpen && shape.RequiredFrom(at.Position) == 0;

    private IEnumerable<int> OtherClasses(State at) => Enumerable.Range(0, shape.Classes.Length).Where(
        tag => shape.Classes[tag].Value.IsProductive && Ways(shape.Classes[tag].Value, shape.Classes[tag].Demands, at, shape.Properties.Length).Any());

    // What the value may be, and the place after it.
    private IEnumerable<(SchemaSet Value, State After)> Ways(SchemaSet value, int demands, State at, int position)
    {
        int count = shape.Max == int.MaxValue ? Math.Min(at.Count + 1, shape.Min) : at.Count + 1;
        foreach (int counts in shape.Counts(demands, at.Met))
        {
            SchemaSet way = shape.Value(value, counts);
            State after = new(Phase.AfterValue, position, count, at.Met | counts);
            if (way.IsProductive && shape.CanComplete(position, count, after.Met))
            {
                yield return (way, after);
            }
        }
    }

    private LazyNode AfterKey(SchemaSet value, int demands, State at, int position)
    {
        LazyNode values = new(() => new Node.Edges(
            [], [.. Ways(value, demands, at, position).Select(way => new Node.Call(grammar.RuleOf(way.Value), At(way.After)))], false));
        return new LazyNode(() => new Node.Edges([grammar.Mark(":", values)], [], false));
    }

    private Automaton Others() => others ??= Except(shape.Names);

    private Automaton Only(int[] classes) => Except(DfaOperations.Combine(
        [shape.Names], tags => classes.Contains(tags[0]) ? tags[0] : -1, ConstraintBudget.Unbounded()));

    private Automaton Except(Dfa all)
    {
        Automaton texts = grammar.Names(all);
        byte[][] taken = [.. shape.Properties.Where(property => all.TagOf(property.Name) >= 0)
            .SelectMany(property => TextDecoder.Writings(grammar.StrictForm, property.Name))];
        return taken.Length == 0 ? texts : new ExceptAutomaton(texts, taken);
    }

    private readonly record struct State(Phase Phase, int Position, int Count, int Met);
}
