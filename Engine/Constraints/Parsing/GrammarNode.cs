using Llama4Kernels.Engine.Constraints.Lexing;

namespace Llama4Kernels.Engine.Constraints.Parsing;

/// <summary>
/// A place of a grammar for the machine. Calls match at least a byte: where a called rule may be empty, what follows it counts too.
/// A rule that begins with itself is read from its left corner: first a rule of its cycle that begins otherwise, then, whenever a rule
/// of the cycle is complete, what follows it in those that begin with it, until the one that was called.
/// </summary>
internal sealed class GrammarNode : Node
{
    private readonly Family _family;
    private readonly GrammarRule _inside;
    private readonly GrammarState? _state;

    private GrammarNode(Family family, GrammarRule inside, GrammarState? state) =>
        (_family, _inside, _state) = (family, inside, state);

    /// <summary>The first node of a rule; the empty text is not among what it reads.</summary>
    public static Node StartOf(GrammarRule rule) => new GrammarNode(new Family(rule), rule, null);

    /// <summary>The rules that a rule may call before any text.</summary>
    public static IEnumerable<GrammarRule> FirstCalls(GrammarRule rule)
    {
        Closure closure = new();
        closure.AddStart(rule);
        return closure.Calls.Select(call => call.Rule);
    }

    protected override Edges Build()
    {
        Closure closure = new();
        bool final = false;
        if (_state is null)
        {
            foreach (GrammarRule rule in _family.Cycle)
            {
                closure.AddStart(rule);
            }
            // Complete before any text is the empty text, which is not read here.
            closure.Completed.Clear();
            closure.Calls.RemoveAll(call => _family.Owner.LeftCycle?.Contains(call.Rule) == true);
        }
        else
        {
            closure.Add(_inside, _state);
            HashSet<GrammarRule> climbed = [];
            while (closure.Completed.TryPop(out GrammarRule? complete))
            {
                if (!climbed.Add(complete))
                {
                    continue;
                }
                final |= complete == _family.Owner;
                foreach ((GrammarRule outer, GrammarState after) in _family.Followers(complete))
                {
                    closure.Add(outer, after);
                }
            }
        }
        return new Edges(
            [.. closure.Terminals.Select(terminal => Make(terminal.Inside, terminal.Target, terminal.Automaton))],
            [.. closure.Calls.Select(call => new Call(call.Rule.Parsed, _family.At(call.Inside, call.Target)))],
            final);
    }

    private Terminal Make(GrammarRule rule, GrammarState target, Automaton automaton) => new(automaton, _family.At(rule, target));

    /// <summary>All nodes of one rule.</summary>
    private sealed class Family(GrammarRule owner)
    {
        private readonly Dictionary<(GrammarRule, GrammarState), GrammarNode> _nodes = [];
        private ILookup<GrammarRule, (GrammarRule, GrammarState)>? _followers;

        public GrammarRule Owner => owner;

        /// <summary>The rules whose bodies the owner's text may begin with.</summary>
        public IEnumerable<GrammarRule> Cycle => owner.LeftCycle ?? [owner];

        public GrammarNode At(GrammarRule inside, GrammarState state)
        {
            if (!_nodes.TryGetValue((inside, state), out GrammarNode? node))
            {
                _nodes.Add((inside, state), node = new GrammarNode(this, inside, state));
            }
            return node;
        }

        /// <summary>The places after a rule at the beginning of a rule of the cycle.</summary>
        public IEnumerable<(GrammarRule Outer, GrammarState After)> Followers(GrammarRule rule)
        {
            if (owner.LeftCycle is null)
            {
                return [];
            }
            _followers ??= owner.LeftCycle
                .SelectMany(outer =>
                {
                    Closure closure = new();
                    closure.AddStart(outer);
                    return closure.Calls.Where(call => owner.LeftCycle.Contains(call.Rule)).Select(call => (call.Rule, Place: (outer, call.Target)));
                })
                .ToLookup(pair => pair.Rule, pair => pair.Place);
            return _followers[rule];
        }
    }

    /// <summary>What comes at places, those reached without text included.</summary>
    private sealed class Closure
    {
        private readonly HashSet<(GrammarRule, GrammarState)> _seen = [];
        private readonly Stack<(GrammarRule Inside, GrammarState State)> _pending = new();

        public List<(GrammarRule Inside, Automaton Automaton, GrammarState Target)> Terminals { get; } = [];

        public List<(GrammarRule Inside, GrammarRule Rule, GrammarState Target)> Calls { get; } = [];

        public Stack<GrammarRule> Completed { get; } = new();

        public void AddStart(GrammarRule rule) => Add(rule, rule.Start!);

        public void Add(GrammarRule inside, GrammarState state)
        {
            _pending.Push((inside, state));
            while (_pending.TryPop(out (GrammarRule Inside, GrammarState State) at))
            {
                if (!_seen.Add(at))
                {
                    continue;
                }
                at.State.Empty.ForEach(next => _pending.Push((at.Inside, next)));
                at.State.Terminals.ForEach(terminal => Terminals.Add((at.Inside, terminal.Automaton, terminal.Target)));
                foreach ((GrammarRule rule, GrammarState target) in at.State.Calls)
                {
                    Calls.Add((at.Inside, rule, target));
                    if (rule.IsNullable)
                    {
                        _pending.Push((at.Inside, target));
                    }
                }
                if (at.State.IsFinal)
                {
                    Completed.Push(at.Inside);
                }
            }
        }
    }
}
