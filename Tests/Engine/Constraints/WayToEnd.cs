using Llama4Kernels.Engine.Constraints;
using Llama4Kernels.Engine.Constraints.Parsing;

namespace Llama4Kernels.Tests.Engine.Constraints;

/// <summary>
/// Completes what has been begun, byte by byte. The machine's states say where an end is; the mask, which knows also what may not come
/// twice, says whether the way to it is open, and where it is not another way is looked for among the bytes that are allowed.
/// </summary>
internal static class WayToEnd
{
    private const int MostWays = 4_000;
    private const int MostStates = 20_000;

    private static readonly byte[] s_bytes = [.. Enumerable.Range(0, 256).Select(value => (byte)value)];

    // What is tried first ends sooner, where it ends at all.
    private static readonly Effort[] s_efforts =
    [
        new(Closes: true, AnyName: false, Parts: false, Deeper: int.MaxValue),
        new(Closes: false, AnyName: true, Parts: false, Deeper: int.MaxValue),
        new(Closes: false, AnyName: true, Parts: true, Deeper: 1),
        new(Closes: false, AnyName: true, Parts: true, Deeper: 3),
        new(Closes: false, AnyName: false, Parts: true, Deeper: int.MaxValue),
        new(Closes: false, AnyName: true, Parts: true, Deeper: int.MaxValue, AnyByte: true),
    ];

    /// <summary>Takes bytes until the answer may end; gives up after so many ways, or where no end is found.</summary>
    /// <param name="state">The request's state.</param>
    /// <param name="mask">Of its vocabulary.</param>
    /// <param name="text">Receives the bytes.</param>
    public static void Take(ITokenConstraint state, TokenMask mask, List<byte> text)
    {
        Random random = new(text.Count);
        // How many objects and arrays are open since the way out of one was begun.
        int open = 0;
        for (int ways = 0; ways < MostWays && !state.MayEnd; ways++)
        {
            state.Allow(mask);
            byte[] first = [.. s_bytes.Where(value => mask[ConstraintChecks.TokenOf(value)])];
            List<(byte Value, int Depth)> way = Find(state, first, open, random);
            if (way.Count == 0 && open > 0)
            {
                way = Find(state, first, 0, random);
            }
            if (way.Count == 0)
            {
                return;
            }
            int before = open;
            open = 0;
            foreach ((byte value, int depth) in way)
            {
                int token = ConstraintChecks.TokenOf(value);
                state.Allow(mask);
                if (!mask[token])
                {
                    break;
                }
                text.Add(value);
                state.Accept(token);
                open = Math.Max(before + depth, 0);
            }
        }
    }

    private static List<(byte Value, int Depth)> Find(ITokenConstraint from, byte[] first, int open, Random random)
    {
        foreach (Effort effort in s_efforts)
        {
            if (Find(from, first, open, effort, random) is { Count: > 0 } way)
            {
                return way;
            }
        }
        return [];
    }

    // The shortest way to an end, or out of so many objects and arrays that are open and the one around them. It begins with one of some bytes.
    private static List<(byte Value, int Depth)> Find(ITokenConstraint from, byte[] first, int open, Effort effort, Random random)
    {
        (Machine machine, MachineState start) = ((Matcher)from).Place;
        Dictionary<MachineState, (MachineState? From, byte Value, int Depth)> reached = [];
        Queue<MachineState> pending = new();
        // The first byte may lead back to where it starts, and what is not open now be open then.
        Follow(null, first);
        while (pending.TryDequeue(out MachineState? state) && reached.Count < MostStates)
        {
            // What encloses this can be ended next.
            if (state.MayEnd || reached[state].Depth < -open)
            {
                List<(byte, int)> way = [];
                for (MachineState? at = state; at is not null; at = reached[at].From)
                {
                    way.Add((reached[at].Value, reached[at].Depth));
                }
                way.Reverse();
                return way;
            }
            Follow(state, [.. s_bytes.Where(value => !ReferenceEquals(machine.Next(state, value), MachineState.Dead))]);
        }
        return [];

        void Follow(MachineState? from, byte[] alive)
        {
            byte[] some = effort.AnyByte ? alive : Plain(alive, effort);
            // Of bytes that lead to one place any, so that names differ.
            random.Shuffle(some);
            foreach (byte value in some)
            {
                MachineState next = machine.Next(from ?? start, value);
                int depth = (from is null ? 0 : reached[from].Depth) + Deeper(from ?? start, value);
                if (depth <= effort.Deeper && reached.TryAdd(next, (from, value, depth)))
                {
                    pending.Enqueue(next);
                }
            }
        }
    }

    private static int Deeper(MachineState state, byte value)
    {
        ElementMark marks = ElementMark.None;
        foreach (MachineState.Head head in state.Heads)
        {
            marks |= head.State == 0 && head.Terminal.Automaton.Next(0, value) >= 0 ? head.Terminal.Mark : ElementMark.None;
        }
        return (marks & ElementMark.Open) != 0 ? 1 : (marks & ElementMark.Close) != 0 ? -1 : 0;
    }

    private static byte[] Plain(byte[] alive, Effort effort)
    {
        bool isText = alive.Length > 40;
        byte[] few = [.. alive.Where(value => value < 0x80 && value != '\\')];
        if (isText)
        {
            return few.Contains((byte)'"') && !effort.AnyName ? [(byte)'"'] : few.Length > 0 ? few : alive;
        }
        byte[] closing = [.. few.Where(value => value is (byte)'}' or (byte)']')];
        if (effort.Closes && closing.Length > 0)
        {
            return closing;
        }
        // White space leads nowhere.
        few = [.. few.Where(value => !" \t\n\r"u8.Contains(value))];
        byte[] scalars = effort.Parts ? [] : [.. few.Where(value => value is not ((byte)'[' or (byte)'{'))];
        return scalars.Length > closing.Length ? scalars : few.Length > 0 ? few : alive;
    }

    /// <param name="Closes">What can be closed is closed.</param>
    /// <param name="AnyName">Strings, and so names, are any of ASCII; else they are closed as soon as they can be.</param>
    /// <param name="Parts">Values may have parts where they need none.</param>
    /// <param name="Deeper">Objects and arrays that may be open within each other.</param>
    /// <param name="AnyByte">Everything is tried.</param>
    private sealed record Effort(bool Closes, bool AnyName, bool Parts, int Deeper, bool AnyByte = false);
}
