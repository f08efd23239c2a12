using Llama4Kernels.Engine.Constraints.Lexing;

namespace Llama4Kernels.Engine.Constraints.Parsing;

/// <summary>
/// Runs a rule over bytes: all ways to read them side by side, with the open calls as a graph of shared stacks. States are interned, so
/// that places which repeat are computed once. What is known is read without a lock; the rest is computed under one.
/// </summary>
internal sealed class Machine
{
    private const int MaxHeads = 4096;

    private readonly Lock gate = new();
    private readonly VocabularyTrie vocabulary;
    private readonly ConstraintLimits limits;
    private readonly MaskBuilder masks;
    private readonly Dictionary<int[], MachineState> states = new(SequenceComparer.Instance);
    private readonly Dictionary<int[], StackNode> stacks = new(SequenceComparer.Instance);
    private readonly StackNode bottom = new(0, []);
    private readonly Rule root;
    private MachineState? start;
    private int lastStack;

    public Machine(Rule root, VocabularyTrie vocabulary, ConstraintLimits limits)
    {
        this.root = root;
        this.vocabulary = vocabulary;
        this.limits = limits;
        masks = new MaskBuilder(this, vocabulary);
    }

    public VocabularyTrie Vocabulary => vocabulary;

    /// <summary>The state before any text.</summary>
    public MachineState Start
    {
        get
        {
            lock (gate)
            {
                return start ??= Close([], [(root.Start, bottom)]);
            }
        }
    }

    /// <summary>The state after a byte; <see cref="MachineState.Dead"/> if it cannot follow.</summary>
    public MachineState Next(MachineState state, byte value)
    {
        if (state.Known(value) is { } known)
        {
            return known;
        }
        lock (gate)
        {
            return Step(state, value);
        }
    }

    /// <summary>A state without the ways on which the element that has been read must differ from those before it.</summary>
    public MachineState WithoutDistinct(MachineState state)
    {
        lock (gate)
        {
            return Intern([.. state.Heads.Where(head => (head.Terminal.Mark & ElementMark.Distinct) == 0)], state.MayEnd);
        }
    }

    /// <summary>The tokens that may follow a state.</summary>
    public StateMask MaskOf(MachineState state)
    {
        if (state.Mask is { } known)
        {
            return known;
        }
        lock (gate)
        {
            return state.Mask ??= masks.Build(state);
        }
    }

    /// <summary>As <see cref="Next"/>, under the lock.</summary>
    internal MachineState Step(MachineState state, byte value)
    {
        if (state.Known(value) is { } known)
        {
            return known;
        }
        List<MachineState.Head> heads = [];
        List<(Node, StackNode)> pending = [];
        bool isSpace = value is (byte)' ' or (byte)'\n' or (byte)'\r' or (byte)'\t';
        foreach (MachineState.Head head in state.Heads)
        {
            if (isSpace && head.State == 0 && head.Terminal.SkipsSpace)
            {
                heads.Add(head);
            }
            Automaton automaton = head.Terminal.Automaton;
            int next = automaton.Next(head.State, value);
            if (next == Automaton.Dead)
            {
                continue;
            }
            int tag = automaton.Tag(next);
            if (tag >= 0)
            {
                pending.Add((head.Terminal.Target(tag), head.Stack));
            }
            if (tag < 0 || automaton.Continues(next))
            {
                heads.Add(head with { State = next });
            }
        }
        MachineState result = Close(heads, pending);
        state.Remember(value, result);
        return result;
    }

    /// <summary>The state that starts at places, called under the lock.</summary>
    internal MachineState At(Node node, StackNode stack) => Close([], [(node, stack)]);

    // Follows calls and returns until only terminals are left.
    private MachineState Close(List<MachineState.Head> heads, List<(Node Node, StackNode Stack)> pending)
    {
        HashSet<(int, int)> seen = [];
        bool mayEnd = false;
        Dictionary<Rule, List<StackNode.Link>> calls = [];
        while (pending.Count > 0)
        {
            calls.Clear();
            for (int i = 0; i < pending.Count; i++)
            {
                (Node node, StackNode stack) = pending[i];
                if (!seen.Add((node.Id, stack.Id)))
                {
                    continue;
                }
                foreach (Node.Terminal terminal in node.Next.Terminals)
                {
                    heads.Add(new MachineState.Head(terminal, 0, stack));
                }
                foreach (Node.Call call in node.Next.Calls)
                {
                    if (!calls.TryGetValue(call.Rule, out List<StackNode.Link>? links))
                    {
                        calls.Add(call.Rule, links = []);
                    }
                    // Nothing is left to do after the call: return to where this one returns.
                    if (call.Return.Next.OnlyFinal && stack.Links.Length > 0)
                    {
                        links.AddRange(stack.Links);
                    }
                    else
                    {
                        links.Add(new StackNode.Link(call.Return, stack));
                    }
                }
                if (node.Next.Final)
                {
                    mayEnd |= stack.Links.Length == 0;
                    foreach (StackNode.Link link in stack.Links)
                    {
                        pending.Add((link.Return, link.Parent));
                    }
                }
            }
            pending.Clear();
            foreach ((Rule rule, List<StackNode.Link> links) in calls)
            {
                pending.Add((rule.Start, Intern(links)));
            }
            if (heads.Count > MaxHeads || seen.Count > MaxHeads)
            {
                throw new ConstraintException(
                    "grammar", string.Empty, $"more than {MaxHeads} ways to read the text at one place; make it less ambiguous.");
            }
        }
        return Intern(heads, mayEnd);
    }

    private StackNode Intern(List<StackNode.Link> links)
    {
        StackNode.Link[] distinct = [.. links.Distinct().OrderBy(link => link.Return.Id).ThenBy(link => link.Parent.Id)];
        int[] key = new int[distinct.Length * 2];
        for (int i = 0; i < distinct.Length; i++)
        {
            key[2 * i] = distinct[i].Return.Id;
            key[(2 * i) + 1] = distinct[i].Parent.Id;
        }
        if (!stacks.TryGetValue(key, out StackNode? stack))
        {
            stack = new StackNode(++lastStack, distinct);
            stacks.Add(key, stack);
        }
        return stack;
    }

    private MachineState Intern(List<MachineState.Head> heads, bool mayEnd)
    {
        if (heads.Count == 0 && !mayEnd)
        {
            return MachineState.Dead;
        }
        MachineState.Head[] distinct = heads.Count < 2 ? [.. heads]
            : [.. heads.Distinct().OrderBy(head => head.Terminal.Id).ThenBy(head => head.State).ThenBy(head => head.Stack.Id)];
        int[] key = new int[(distinct.Length * 3) + 1];
        for (int i = 0; i < distinct.Length; i++)
        {
            key[3 * i] = distinct[i].Terminal.Id;
            key[(3 * i) + 1] = distinct[i].State;
            key[(3 * i) + 2] = distinct[i].Stack.Id;
        }
        key[^1] = mayEnd ? 1 : 0;
        if (!states.TryGetValue(key, out MachineState? state))
        {
            if (states.Count >= limits.MaxCachedStates)
            {
                // Requests hold the states that they are in; everything else is computed again when it is needed. Stacks are named
                // by number, and no number is given twice.
                states.Clear();
                stacks.Clear();
                start = null;
            }
            state = new MachineState(distinct, mayEnd);
            states.Add(key, state);
        }
        return state;
    }
}
