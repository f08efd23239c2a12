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

    private enum Effort
    {
        Least,
        More,
        Most,
    }

    /// <summary>Takes bytes until the answer may end; gives up after so many ways, or where no end is found.</summary>
    /// <param name="state">The request's state.</param>
    /// <param name="mask">Of its vocabulary.</param>
    /// <param name="text">Receives the bytes.</param>
    public static void Take(ITokenConstraint state, TokenMask mask, List<byte> text)
    {
        for (int ways = 0; ways < MostWays && !state.MayEnd; ways++)
        {
            state.Allow(mask);
            byte[] open = [.. s_bytes.Where(value => mask[ConstraintChecks.TokenOf(value)])];
            byte[] way = [];
            for (Effort effort = Effort.Least; way.Length == 0 && effort <= Effort.Most; effort++)
            {
                way = Find(state, open, effort);
            }
            if (way.Length == 0)
            {
                return;
            }
            foreach (byte value in way)
            {
                int token = ConstraintChecks.TokenOf(value);
                state.Allow(mask);
                if (!mask[token])
                {
                    break;
                }
                text.Add(value);
                state.Accept(token);
            }
        }
    }

    // The shortest way that begins with one of some bytes.
    private static byte[] Find(ITokenConstraint from, byte[] open, Effort effort)
    {
        (Machine machine, MachineState start) = ((Matcher)from).Place;
        Dictionary<MachineState, (MachineState? From, byte Value)> reached = new() { [start] = (null, 0) };
        Queue<MachineState> pending = new([start]);
        while (pending.TryDequeue(out MachineState? state) && reached.Count < MostStates)
        {
            if (state.MayEnd)
            {
                List<byte> way = [];
                for (MachineState? at = state; reached[at].From is MachineState before; at = before)
                {
                    way.Add(reached[at].Value);
                }
                way.Reverse();
                return [.. way];
            }
            byte[] alive = ReferenceEquals(state, start) ? open : [.. s_bytes.Where(value => !ReferenceEquals(machine.Next(state, value), MachineState.Dead))];
            foreach (byte value in effort == Effort.Most ? alive : Plain(alive, effort))
            {
                MachineState next = machine.Next(state, value);
                if (!ReferenceEquals(next, MachineState.Dead) && reached.TryAdd(next, (state, value)))
                {
                    pending.Enqueue(next);
                }
            }
        }
        return [];
    }

    // A string that can end does, and of the characters those of ASCII will do; with the least effort a value that can be without parts is.
    private static byte[] Plain(byte[] alive, Effort effort)
    {
        bool isText = alive.Length > 40;
        if (isText && alive.Contains((byte)'"'))
        {
            return [(byte)'"'];
        }
        byte[] few = [.. alive.Where(value => value is < 0x80 and not (byte)'\\')];
        if (effort == Effort.Least && !isText && few.Any(value => value is not ((byte)'[' or (byte)'{' or (byte)']')))
        {
            few = [.. few.Where(value => value is not ((byte)'[' or (byte)'{'))];
        }
        return few.Length > 0 ? few : alive;
    }
}
