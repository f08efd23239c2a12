using System.Runtime.InteropServices;
using Llama4Kernels.Engine.Constraints.Lexing;

namespace Llama4Kernels.Engine.Constraints.Parsing;

/// <summary>
/// Runs a rule over bytes: all ways to read them side by side, with the open calls as a graph of shared stacks. States are interned, so
/// that places which repeat are computed once. What is known is read without a lock; the rest is computed under one.
/// </summary>
internal sealed class Machine
{
    private const int MaxHeads = 4096;

    // What a state costs besides its mask: its successors, its place among the states, what its automata hold of it.
    private const int StateBytes = 300;
    private const int HeadBytes = 100;

    private readonly Lock gate = new();
    private readonly VocabularyTrie vocabulary;
    private readonly ConstraintLimits limits;
    private readonly MaskBuilder masks;
    private readonly HashSet<MachineState> states = new(new MachineState.Comparer());
    private readonly HashSet<StackNode> stacks = new(new StackNode.Comparer());
    private readonly HashSet<MachineState>.AlternateLookup<MachineState.Key> statesByKey;
    private readonly HashSet<StackNode>.AlternateLookup<ReadOnlySpan<StackNode.Link>> stacksByLinks;
    private readonly HashSet<ulong[]> sharedMasks = new(ReferenceEqualityComparer.Instance);
    private readonly StackNode bottom = new(0, []);

    // Of the step that is being computed.
    private readonly List<MachineState.Head> heads = [];
    private readonly List<(Node Node, StackNode Stack)> pending = [];
    private readonly HashSet<(int Node, int Stack)> seen = [];

    // The rules that are called, and from where; there are more lists than calls.
    private readonly Dictionary<Rule, int> calls = [];
    private readonly List<List<StackNode.Link>> links = [];
    private readonly Rule root;
    private MachineState? start;
    private long cachedBytes;

    public Machine(Rule root, VocabularyTrie vocabulary, ConstraintLimits limits)
    {
        this.root = root;
        this.vocabulary = vocabulary;
        this.limits = limits;
        masks = new MaskBuilder(this, vocabulary);
        statesByKey = states.GetAlternateLookup<MachineState.Key>();
        stacksByLinks = stacks.GetAlternateLookup<ReadOnlySpan<StackNode.Link>>();
    }

    public VocabularyTrie Vocabulary => vocabulary;

    /// <summary>Bytes of the states and masks that are remembered, about.</summary>
    public long Bytes => Volatile.Read(ref cachedBytes);

    /// <summary>The state before any text.</summary>
    public MachineState Start
    {
        get
        {
            lock (gate)
            {
                return start ??= At(root.Start, bottom);
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
            heads.Clear();
            foreach (MachineState.Head head in state.Heads)
            {
                if ((head.Terminal.Mark & ElementMark.Distinct) == 0)
                {
                    heads.Add(head);
                }
            }
            return Intern(state.MayEnd);
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
            if (state.Mask is { } computed)
            {
                return computed;
            }
            StateMask mask = masks.Build(state);
            CountMask(mask);
            state.Mask = mask;
            return mask;
        }
    }

    /// <summary>As <see cref="Next"/>, under the lock.</summary>
    internal MachineState Step(MachineState state, byte value)
    {
        if (state.Known(value) is { } known)
        {
            return known;
        }
        bool mayEnd = Advance(state.Heads, value);
        MachineState result = Intern(mayEnd);
        state.Remember(value, result);
        return result;
    }

    /// <summary>
    /// Reads a byte without keeping a state for it, under the lock; <see cref="Ways"/> are the heads after it, until the next call.
    /// </summary>
    /// <returns>Whether the text may end then.</returns>
    internal bool Advance(ReadOnlySpan<MachineState.Head> from, byte value)
    {
        heads.Clear();
        pending.Clear();
        bool isSpace = value is (byte)' ' or (byte)'\n' or (byte)'\r' or (byte)'\t';
        foreach (MachineState.Head head in from)
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
        return Close();
    }

    /// <summary>The heads after the last byte that was read.</summary>
    internal ReadOnlySpan<MachineState.Head> Ways => CollectionsMarshal.AsSpan(heads);

    /// <summary>The state that starts at places, called under the lock.</summary>
    internal MachineState At(Node node, StackNode stack)
    {
        heads.Clear();
        pending.Clear();
        pending.Add((node, stack));
        return Intern(Close());
    }

    // Follows calls and returns from the places that are pending until only terminals are left; says whether the text may end.
    private bool Close()
    {
        bool mayEnd = false;
        if (pending.Count > 0)
        {
            seen.Clear();
        }
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
                    List<StackNode.Link> from = CallsOf(call.Rule);
                    // Nothing is left to do after the call: return to where this one returns.
                    if (call.Return.Next.OnlyFinal && stack.Links.Length > 0)
                    {
                        from.AddRange(stack.Links);
                    }
                    else
                    {
                        from.Add(new StackNode.Link(call.Return, stack));
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
            foreach ((Rule rule, int at) in calls)
            {
                pending.Add((rule.Start, Intern(links[at])));
            }
            if (heads.Count > MaxHeads || seen.Count > MaxHeads)
            {
                throw new ConstraintException(
                    "grammar", string.Empty, $"more than {MaxHeads} ways to read the text at one place; make it less ambiguous.");
            }
        }
        heads.Sort(MachineState.Head.Compare);
        RemoveRepeated(heads);
        return mayEnd;
    }

    private List<StackNode.Link> CallsOf(Rule rule)
    {
        if (!calls.TryGetValue(rule, out int at))
        {
            at = calls.Count;
            calls.Add(rule, at);
            if (at == links.Count)
            {
                links.Add([]);
            }
            links[at].Clear();
        }
        return links[at];
    }

    private StackNode Intern(List<StackNode.Link> from)
    {
        from.Sort(StackNode.Link.Compare);
        RemoveRepeated(from);
        Span<StackNode.Link> key = CollectionsMarshal.AsSpan(from);
        if (!stacksByLinks.TryGetValue(key, out StackNode? stack))
        {
            stacksByLinks.Add(key);
            stacksByLinks.TryGetValue(key, out stack);
        }
        return stack!;
    }

    private MachineState Intern(bool mayEnd)
    {
        if (heads.Count == 0 && !mayEnd)
        {
            return MachineState.Dead;
        }
        MachineState.Key key = new(Ways, mayEnd);
        if (!statesByKey.TryGetValue(key, out MachineState? state))
        {
            if (states.Count >= limits.MaxCachedStates || cachedBytes > limits.MaxCachedBytes)
            {
                Forget();
            }
            state = new MachineState(Ways, mayEnd);
            states.Add(state);
            cachedBytes += StateBytes + (HeadBytes * heads.Count);
        }
        return state;
    }

    private static void RemoveRepeated<T>(List<T> sorted)
        where T : struct, IEquatable<T>
    {
        int kept = Math.Min(sorted.Count, 1);
        for (int i = 1; i < sorted.Count; i++)
        {
            if (!sorted[i].Equals(sorted[kept - 1]))
            {
                sorted[kept++] = sorted[i];
            }
        }
        sorted.RemoveRange(kept, sorted.Count - kept);
    }

    // Requests hold the states that they are in; everything else is computed again when it is needed. Stacks are named by number, and
    // no number is given twice.
    private void Forget()
    {
        states.Clear();
        stacks.Clear();
        sharedMasks.Clear();
        cachedBytes = 0;
        start = null;
    }

    private void CountMask(StateMask mask)
    {
        cachedBytes += mask.Size;
        foreach (ulong[] shared in mask.Shared)
        {
            if (sharedMasks.Add(shared))
            {
                cachedBytes += 8L * shared.Length;
            }
        }
    }
}
