using System.Runtime.InteropServices;

namespace Llama4Kernels.Engine.Constraints.Parsing;

/// <summary>
/// Follows the bytes of tokens from a state, one way at a time. Most of the places that they lead to no answer comes to: no states are
/// kept for them but for those after one byte, and after white space, whose runs come back to one state. Used under the machine's lock.
/// </summary>
/// <param name="machine">The machine.</param>
/// <param name="longest">Bytes at most.</param>
internal sealed class Lookahead(Machine machine, int longest)
{
    // The place after each number of bytes: a state, or else the heads from its start to the next one's.
    private readonly MachineState?[] _states = new MachineState?[longest + 1];
    private readonly int[] _starts = new int[longest + 2];
    private readonly List<MachineState.Head> _heads = [];
    private int _first;

    /// <summary>Makes a state the place after some bytes.</summary>
    public void Begin(int depth, MachineState state)
    {
        _first = depth + 1;
        _states[depth] = state;
        _starts[depth] = 0;
        _starts[depth + 1] = 0;
    }

    /// <summary>Reads a byte from the place before it; the places after it are forgotten.</summary>
    /// <param name="depth">The number of bytes with this one.</param>
    /// <param name="value">The byte.</param>
    /// <returns>Whether it can stand there.</returns>
    public bool Step(int depth, byte value)
    {
        int from = _starts[depth - 1], to = _starts[depth];
        MachineState? before = _states[depth - 1];
        if (before is not null)
        {
            bool isKept = depth == _first || value is (byte)' ' or (byte)'\n' or (byte)'\r' or (byte)'\t';
            if ((isKept ? machine.Step(before, value) : before.Known(value)) is { } next)
            {
                _states[depth] = next;
                _starts[depth + 1] = to;
                return !ReferenceEquals(next, MachineState.Dead);
            }
        }
        CollectionsMarshal.SetCount(_heads, to);
        bool mayEnd = machine.Advance(before is not null ? before.Heads : CollectionsMarshal.AsSpan(_heads)[from..to], value);
        _heads.AddRange(machine.Ways);
        _states[depth] = null;
        _starts[depth + 1] = _heads.Count;
        bool canStand = mayEnd || _heads.Count > to;
        if (before is not null && !canStand)
        {
            before.Remember(value, MachineState.Dead);
        }
        return canStand;
    }
}
