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
    private const int TokenBytes = 32;

    private readonly Lock _gate = new();
    private readonly VocabularyTrie _vocabulary;
    private readonly ConstraintLimits _limits;
    private readonly MaskBuilder _masks;
    private readonly HashSet<MachineState> _states = new(new MachineState.Comparer());
    private readonly HashSet<StackNode> _stacks = new(new StackNode.Comparer());
    private readonly HashSet<MachineState>.AlternateLookup<MachineState.Key> _statesByKey;
    private readonly HashSet<StackNode>.AlternateLookup<ReadOnlySpan<StackNode.Link>> _stacksByLinks;
    private readonly HashSet<StateMask> _knownMasks = new(new StateMask.Comparer());
    private readonly HashSet<StateMask>.AlternateLookup<StateMask.Key> _masksByKey;
    private readonly HashSet<ulong[]> _sharedMasks = new(ReferenceEqualityComparer.Instance);
    private readonly StackNode _bottom = new(0, []);

    // Of the step that is being computed.
    private List<MachineState.Head> _heads = [];
    private List<MachineState.Head> _before = [];
    private readonly List<(Node Node, StackNode Stack)> _pending = [];
    private readonly HashSet<(int Node, int Stack)> _seen = [];

    // The rules that are called, and from where; there are more lists than calls.
    private readonly Dictionary<Rule, int> _calls = [];
    private readonly List<List<StackNode.Link>> _links = [];
    private readonly Rule _root;
    private MachineState? _start;
    private long _cachedBytes;

    public Machine(Rule root, VocabularyTrie vocabulary, ConstraintLimits limits)
    {
        _root = root;
        _vocabulary = vocabulary;
        _limits = limits;
        _masks = new MaskBuilder(this, vocabulary);
        _statesByKey = _states.GetAlternateLookup<MachineState.Key>();
        _masksByKey = _knownMasks.GetAlternateLookup<StateMask.Key>();
        _stacksByLinks = _stacks.GetAlternateLookup<ReadOnlySpan<StackNode.Link>>();
    }

    public VocabularyTrie Vocabulary => _vocabulary;

    /// <summary>Bytes of the states and masks that are remembered, about.</summary>
    public long Bytes => Volatile.Read(ref _cachedBytes);

    /// <summary>The state before any text.</summary>
    public MachineState Start
    {
        get
        {
            lock (_gate)
            {
                return _start ??= At(_root.Start, _bottom);
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
        lock (_gate)
        {
            return Step(state, value);
        }
    }

    /// <summary>
    /// The state after a token; <see cref="MachineState.Dead"/> if it cannot follow. No state is kept for the places inside the token that
    /// were not known before, while few tokens lead on from the state.
    /// </summary>
    public MachineState After(MachineState state, int token)
    {
        ReadOnlySpan<byte> bytes = _vocabulary.Tokenizer.BytesOf(token);
        MachineState at = state;
        int read = 0;
        while (read < bytes.Length && at.Known(bytes[read]) is { } known)
        {
            at = known;
            read++;
            if (ReferenceEquals(at, MachineState.Dead))
            {
                return at;
            }
        }
        if (read == bytes.Length)
        {
            return at;
        }
        if (state.KnownToken(token) is { } after)
        {
            return after;
        }
        lock (_gate)
        {
            return Step(state, token, at, bytes[read..]);
        }
    }

    /// <summary>A state without the ways on which the element that has been read must differ from those before it.</summary>
    public MachineState WithoutDistinct(MachineState state)
    {
        lock (_gate)
        {
            _heads.Clear();
            foreach (MachineState.Head head in state.Heads)
            {
                if ((head.Terminal.Mark & ElementMark.Distinct) == 0)
                {
                    _heads.Add(head);
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
        lock (_gate)
        {
            if (state.Mask is { } computed)
            {
                return computed;
            }
            StateMask mask = Intern(_masks.Build(state));
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

    // The state after the rest of a token whose beginning leads to a state that is known.
    private MachineState Step(MachineState from, int token, MachineState at, ReadOnlySpan<byte> rest)
    {
        if (from.KnownToken(token) is { } known)
        {
            return known;
        }
        if (rest.Length == 1 || from.HasAllTokens)
        {
            for (int i = 0; i < rest.Length && !ReferenceEquals(at, MachineState.Dead); i++)
            {
                at = Step(at, rest[i]);
            }
            return at;
        }
        bool mayEnd = Advance(at.Heads, rest[0]);
        foreach (byte value in rest[1..])
        {
            (_heads, _before) = (_before, _heads);
            mayEnd = Advance(CollectionsMarshal.AsSpan(_before), value);
        }
        MachineState result = Intern(mayEnd);
        from.RememberToken(token, result);
        _cachedBytes += TokenBytes;
        return result;
    }

    /// <summary>
    /// Reads a byte without keeping a state for it, under the lock; <see cref="Ways"/> are the heads after it, until the next call.
    /// </summary>
    /// <returns>Whether the text may end then.</returns>
    internal bool Advance(ReadOnlySpan<MachineState.Head> from, byte value)
    {
        _heads.Clear();
        _pending.Clear();
        bool isSpace = value is (byte)' ' or (byte)'\n' or (byte)'\r' or (byte)'\t';
        foreach (MachineState.Head head in from)
        {
            if (isSpace && head.State == 0 && head.Terminal.SkipsSpace)
            {
                _heads.Add(head);
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
                _pending.Add((head.Terminal.Target(tag), head.Stack));
            }
            if (tag < 0 || automaton.Continues(next))
            {
                _heads.Add(head with { State = next });
            }
        }
        return Close();
    }

    /// <summary>The heads after the last byte that was read.</summary>
    internal ReadOnlySpan<MachineState.Head> Ways => CollectionsMarshal.AsSpan(_heads);

    /// <summary>The state that starts at places, called under the lock.</summary>
    internal MachineState At(Node node, StackNode stack)
    {
        _heads.Clear();
        _pending.Clear();
        _pending.Add((node, stack));
        return Intern(Close());
    }

    // Follows calls and returns from the places that are pending until only terminals are left; says whether the text may end.
    private bool Close()
    {
        bool mayEnd = false;
        if (_pending.Count > 0)
        {
            _seen.Clear();
        }
        while (_pending.Count > 0)
        {
            _calls.Clear();
            for (int i = 0; i < _pending.Count; i++)
            {
                (Node node, StackNode stack) = _pending[i];
                if (!_seen.Add((node.Id, stack.Id)))
                {
                    continue;
                }
                foreach (Node.Terminal terminal in node.Next.Terminals)
                {
                    _heads.Add(new MachineState.Head(terminal, 0, stack));
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
                        _pending.Add((link.Return, link.Parent));
                    }
                }
            }
            _pending.Clear();
            foreach ((Rule rule, int at) in _calls)
            {
                _pending.Add((rule.Start, Intern(_links[at])));
            }
            if (_heads.Count > MaxHeads || _seen.Count > MaxHeads)
            {
                throw new ConstraintException(
                    "grammar", string.Empty, $"more than {MaxHeads} ways to read the text at one place; make it less ambiguous.");
            }
        }
        _heads.Sort(MachineState.Head.Compare);
        RemoveRepeated(_heads);
        return mayEnd;
    }

    private List<StackNode.Link> CallsOf(Rule rule)
    {
        if (!_calls.TryGetValue(rule, out int at))
        {
            at = _calls.Count;
            _calls.Add(rule, at);
            if (at == _links.Count)
            {
                _links.Add([]);
            }
            _links[at].Clear();
        }
        return _links[at];
    }

    private StackNode Intern(List<StackNode.Link> from)
    {
        from.Sort(StackNode.Link.Compare);
        RemoveRepeated(from);
        Span<StackNode.Link> key = CollectionsMarshal.AsSpan(from);
        if (!_stacksByLinks.TryGetValue(key, out StackNode? stack))
        {
            _stacksByLinks.Add(key);
            _stacksByLinks.TryGetValue(key, out stack);
        }
        return stack!;
    }

    private MachineState Intern(bool mayEnd)
    {
        if (_heads.Count == 0 && !mayEnd)
        {
            return MachineState.Dead;
        }
        MachineState.Key key = new(Ways, mayEnd);
        if (!_statesByKey.TryGetValue(key, out MachineState? state))
        {
            if (_states.Count >= _limits.MaxCachedStates || _cachedBytes > _limits.MaxCachedBytes)
            {
                Forget();
            }
            state = new MachineState(Ways, mayEnd);
            _states.Add(state);
            _cachedBytes += StateBytes + (HeadBytes * _heads.Count);
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
        _states.Clear();
        _stacks.Clear();
        _knownMasks.Clear();
        _sharedMasks.Clear();
        _cachedBytes = 0;
        _start = null;
    }

    private StateMask Intern(StateMask.Key key)
    {
        if (_masksByKey.TryGetValue(key, out StateMask? known))
        {
            return known;
        }
        _masksByKey.Add(key);
        _masksByKey.TryGetValue(key, out StateMask? mask);
        _cachedBytes += mask!.Size;
        foreach (ulong[] shared in mask.Shared)
        {
            if (_sharedMasks.Add(shared))
            {
                _cachedBytes += 8L * shared.Length;
            }
        }
        return mask;
    }
}
