using System.Runtime.CompilerServices;
using Llama4Kernels.Engine.Constraints.Lexing;

namespace Llama4Kernels.Engine.Constraints.Parsing;

/// <summary>
/// All that a constraint knows after some text: the terminals that the text may be in, and whether it may end. What follows from it is
/// remembered here: the states after each byte and the mask. There are many, so that they are small.
/// </summary>
internal sealed class MachineState
{
    private const int MostTokens = 16;

    // Most states have one head, and most are left by one byte.
    private readonly Head _only;
    private readonly Head[]? _several;
    private Bytes _known;
    private byte _firstByte;
    private MachineState? _first;
    private Way? _ways;
    private TokenWay[] _tokens = [];
    private StateMask? _mask;
    private (SuffixTrie Rests, ulong[] Possible)? _rests;

    public MachineState(ReadOnlySpan<Head> heads, bool mayEnd)
    {
        if (heads.Length == 1)
        {
            _only = heads[0];
        }
        else
        {
            _several = heads.ToArray();
        }
        MayEnd = mayEnd;
        foreach (Head head in heads)
        {
            Marks |= head.Terminal.Mark;
        }
    }

    /// <summary>After a text that cannot be.</summary>
    public static MachineState Dead { get; } = new([], false);

    public ReadOnlySpan<Head> Heads => _several is null ? new ReadOnlySpan<Head>(in _only) : _several;

    /// <summary>The marks of all terminals that may come next.</summary>
    public ElementMark Marks { get; }

    public bool MayEnd { get; }

    public StateMask? Mask
    {
        get => Volatile.Read(ref _mask);
        set => Volatile.Write(ref _mask, value);
    }

    /// <summary>The tokens that are the only way on, once they have been asked for.</summary>
    public int[]? Forced { get; set; }

    /// <summary>The state after a byte, if it is known.</summary>
    public MachineState? Known(byte value)
    {
        if (!_known.Has(value))
        {
            return null;
        }
        if (value == _firstByte && _first is not null)
        {
            return _first;
        }
        for (Way? way = _ways; way is not null; way = way.Next)
        {
            if (way.Bytes.Has(value))
            {
                return way.To;
            }
        }
        return Dead;
    }

    /// <summary>Makes a successor known; called under the machine's lock.</summary>
    public void Remember(byte value, MachineState state)
    {
        if (!ReferenceEquals(state, Dead) && _first is null)
        {
            (_firstByte, _first) = (value, state);
        }
        else if (!ReferenceEquals(state, Dead))
        {
            Way? way = _ways;
            while (way is not null && !ReferenceEquals(way.To, state))
            {
                way = way.Next;
            }
            if (way is null)
            {
                _ways = way = new Way(state, _ways);
            }
            way.Bytes.Add(value);
        }
        // Last: whoever finds it known finds the way.
        _known.Add(value);
    }

    /// <summary>The state after a token, if it was remembered as a whole.</summary>
    public MachineState? KnownToken(int token)
    {
        foreach (ref readonly TokenWay way in Volatile.Read(ref _tokens).AsSpan())
        {
            MachineState? to = Volatile.Read(in way.To);
            if (to is null || way.Token == token)
            {
                return to;
            }
        }
        return null;
    }

    /// <summary>Whether no more tokens are remembered: they are looked for one after the other.</summary>
    public bool HasAllTokens => _tokens is { Length: MostTokens } tokens && tokens[^1].To is not null;

    /// <summary>Makes the state after a token known, unless it has all tokens; called under the machine's lock.</summary>
    public void RememberToken(int token, MachineState state)
    {
        TokenWay[] ways = _tokens;
        int free = Array.FindIndex(ways, way => way.To is null);
        if (free < 0)
        {
            free = ways.Length;
            Array.Resize(ref ways, Math.Max(2 * free, 1));
        }
        // Last the state: whoever finds it finds the token.
        ways[free].Token = token;
        Volatile.Write(ref ways[free].To, state);
        Volatile.Write(ref _tokens, ways);
    }

    /// <summary>Which rests of tokens may follow, as bits by node, if it is known; asked under the machine's lock.</summary>
    public ulong[]? PossibleRests(SuffixTrie of) => _rests is (SuffixTrie known, ulong[] possible) && ReferenceEquals(known, of) ? possible : null;

    public void RememberRests(SuffixTrie of, ulong[] possible) => _rests = (of, possible);

    /// <summary>A terminal, the state of its automaton, and the calls that are open.</summary>
    public readonly record struct Head(Node.Terminal Terminal, int State, StackNode Stack)
    {
        /// <summary>Equal heads beside each other.</summary>
        public static int Compare(Head a, Head b) => a.Terminal.Id != b.Terminal.Id ? a.Terminal.Id.CompareTo(b.Terminal.Id)
            : a.State != b.State ? a.State.CompareTo(b.State)
            : a.Stack.Id.CompareTo(b.Stack.Id);
    }

    // The bytes that lead to one state.
    private sealed class Way(MachineState to, Way? next)
    {
        public Bytes Bytes;

        public MachineState To => to;

        public Way? Next => next;
    }

    // A token and the state after it; no state where there is none yet.
    private struct TokenWay
    {
        public int Token;
        public MachineState? To;
    }

    // A set of bytes, read without a lock while one thread adds to it.
    [InlineArray(4)]
    private struct Bytes
    {
        private ulong _first;

        public readonly bool Has(byte value) => (Volatile.Read(in this[value >> 6]) >> (value & 63) & 1) != 0;

        public void Add(byte value) => Volatile.Write(ref this[value >> 6], this[value >> 6] | (1UL << (value & 63)));
    }

    /// <summary>States by what they hold.</summary>
    public sealed class Comparer : IEqualityComparer<MachineState>, IAlternateEqualityComparer<Key, MachineState>
    {
        public bool Equals(MachineState? x, MachineState? y) => ReferenceEquals(x, y);

        public int GetHashCode(MachineState obj) => GetHashCode(new Key(obj.Heads, obj.MayEnd));

        public bool Equals(Key alternate, MachineState other) => alternate.MayEnd == other.MayEnd && alternate.Heads.SequenceEqual(other.Heads);

        public int GetHashCode(Key alternate)
        {
            ulong hash = alternate.MayEnd ? 1UL : 0;
            foreach (Head head in alternate.Heads)
            {
                hash = (hash ^ (uint)head.Terminal.Id) * 0x9E3779B97F4A7C15;
                hash = (hash ^ (uint)head.State ^ ((ulong)head.Stack.Id << 32)) * 0x9E3779B97F4A7C15;
                hash ^= hash >> 29;
            }
            return (int)hash;
        }

        public MachineState Create(Key alternate) => new(alternate.Heads, alternate.MayEnd);
    }

    /// <summary>What a state holds; the heads in their order, none twice.</summary>
    public readonly ref struct Key(ReadOnlySpan<Head> heads, bool mayEnd)
    {
        public ReadOnlySpan<Head> Heads { get; } = heads;

        public bool MayEnd { get; } = mayEnd;
    }
}
