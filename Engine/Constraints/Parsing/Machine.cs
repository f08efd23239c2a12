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

    // What a state costs besides its mask: its successors, its key, what its automata hold of it.
    private const int StateBytes = 600;
    private const int HeadBytes = 400;

    private readonly Lock gate = new();
    private readonly VocabularyTrie vocabulary;
    private readonly ConstraintLimits limits;
    private readonly MaskBuilder masks;
    private readonly Dictionary<int[], MachineState> states = new(SequenceComparer.Instance);
    private readonly Dictionary<int[], StackNode> stacks = new(SequenceComparer.Instance);
    private readonly Dictionary<int[], MachineState>.AlternateLookup<ReadOnlySpan<int>> statesByKey;
    private readonly Dictionary<int[], StackNode>.AlternateLookup<ReadOnlySpan<int>> stacksByKey;
    private readonly HashSet<ulong[]> sharedMasks = new(ReferenceEqualityComparer.Instance);
    private readonly StackNode bottom = new(0, []);

    // Of the step that is being computed.
    private readonly List<MachineState.Head> heads = [];
    private readonly List<(Node Node, StackNode Stack)> pending = [];
    private readonly HashSet<(int Node, int Stack)> seen = [];
    private readonly Dictionary<Rule, List<StackNode.Link>> calls = [];
    private readonly List<int> key = [];
    private readonly Rule root;
    private MachineState? start;
    private int lastStack;
    private long cachedBytes;

    public Machine(Rule root, VocabularyTrie vocabulary, ConstraintLimits limits)
    {
        this.root = root;
        this.vocabulary = vocabulary;
        this.limits = limits;
        masks = new MaskBuilder(this, vocabulary);
        statesByKey = states.GetAlternateLookup<ReadOnlySpan<int>>();
        stacksByKey = stacks.GetAlternateLookup<ReadOnlySpan<int>>();
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
            heads.AddRange(state.Heads.Where(head => (head.Terminal.Mark & ElementMark.Distinct) == 0));
            return InternHeads(state.MayEnd);
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
        heads.Clear();
        pending.Clear();
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
        MachineState result = Close();
        state.Remember(value, result);
        return result;
    }

    /// <summary>The state that starts at places, called under the lock.</summary>
    internal MachineState At(Node node, StackNode stack)
    {
        heads.Clear();
        pending.Clear();
        pending.Add((node, stack));
        return Close();
    }

    // Follows calls and returns from the places that are pending until only terminals are left.
    private MachineState Close()
    {
        bool mayEnd = false;
        seen.Clear();
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
        return InternHeads(mayEnd);
    }

    private StackNode Intern(List<StackNode.Link> links)
    {
        links.Sort(static (a, b) => a.Return.Id != b.Return.Id ? a.Return.Id.CompareTo(b.Return.Id) : a.Parent.Id.CompareTo(b.Parent.Id));
        key.Clear();
        for (int i = 0; i < links.Count; i++)
        {
            if (i == 0 || links[i] != links[i - 1])
            {
                key.Add(links[i].Return.Id);
                key.Add(links[i].Parent.Id);
            }
        }
        if (!stacksByKey.TryGetValue(CollectionsMarshal.AsSpan(key), out StackNode? stack))
        {
            stack = new StackNode(++lastStack, [.. links.Distinct()]);
            stacks.Add([.. key], stack);
        }
        return stack;
    }

    private MachineState InternHeads(bool mayEnd)
    {
        if (heads.Count == 0 && !mayEnd)
        {
            return MachineState.Dead;
        }
        if (heads.Count > 1)
        {
            heads.Sort(static (a, b) => a.Terminal.Id != b.Terminal.Id ? a.Terminal.Id.CompareTo(b.Terminal.Id)
                : a.State != b.State ? a.State.CompareTo(b.State)
                : a.Stack.Id.CompareTo(b.Stack.Id));
        }
        key.Clear();
        for (int i = 0; i < heads.Count; i++)
        {
            if (i == 0 || heads[i] != heads[i - 1])
            {
                key.Add(heads[i].Terminal.Id);
                key.Add(heads[i].State);
                key.Add(heads[i].Stack.Id);
            }
        }
        key.Add(mayEnd ? 1 : 0);
        if (!statesByKey.TryGetValue(CollectionsMarshal.AsSpan(key), out MachineState? state))
        {
            if (states.Count >= limits.MaxCachedStates || cachedBytes > limits.MaxCachedBytes)
            {
                Forget();
            }
            state = new MachineState([.. heads.Distinct()], mayEnd);
            states.Add([.. key], state);
            cachedBytes += StateBytes + (HeadBytes * heads.Count);
        }
        return state;
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
