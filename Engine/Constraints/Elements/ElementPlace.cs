using Llama4Kernels.Engine.Constraints.Parsing;

namespace Llama4Kernels.Engine.Constraints.Elements;

/// <summary>Where a byte of JSON stands, as far as it matters to elements.</summary>
/// <param name="Depth">Objects and arrays that are open.</param>
/// <param name="Quote">The quote of the string that is open, or 0.</param>
/// <param name="IsEscaped">Whether a backslash came just before, inside a string.</param>
internal readonly record struct ElementPlace(int Depth, byte Quote, bool IsEscaped)
{
    /// <summary>Whether white space means nothing here.</summary>
    public bool SkipsSpace => Quote == 0;

    /// <summary>The place after a byte.</summary>
    /// <param name="value">The byte.</param>
    /// <param name="marks">What it is to the elements.</param>
    public ElementPlace After(byte value, ElementMark marks)
    {
        if (Quote != 0)
        {
            return IsEscaped ? this with { IsEscaped = false }
                : value == '\\' ? this with { IsEscaped = true }
                : value == Quote ? this with { Quote = 0 }
                : this;
        }
        if ((marks & ElementMark.Open) != 0)
        {
            return this with { Depth = Depth + 1 };
        }
        if ((marks & ElementMark.Close) != 0)
        {
            return this with { Depth = Depth - 1 };
        }
        return Depth > 0 && value is (byte)'"' or (byte)'\'' ? this with { Quote = value } : this;
    }

    /// <summary>Whether one of some bytes may be something to the elements, whatever the state.</summary>
    public bool MayMark(ReadOnlySpan<byte> bytes)
    {
        ElementPlace place = this;
        foreach (byte value in bytes)
        {
            if (place.SkipsSpace && ",:[]{}"u8.Contains(value))
            {
                return true;
            }
            place = place.After(value, ElementMark.None);
        }
        return false;
    }

    /// <summary>What a byte is to the elements in a state of the machine.</summary>
    public ElementMark Marks(MachineState state, byte value)
    {
        if (Quote != 0 || state.Marks == ElementMark.None || !",:[]{}"u8.Contains(value))
        {
            return ElementMark.None;
        }
        ElementMark marks = ElementMark.None;
        foreach (MachineState.Head head in state.Heads)
        {
            if (head.State == 0 && head.Terminal.Mark != ElementMark.None && head.Terminal.Automaton.Next(0, value) >= 0)
            {
                marks |= head.Terminal.Mark;
            }
        }
        return marks;
    }

    public static bool IsSpace(byte value) => value is (byte)' ' or (byte)'\n' or (byte)'\r' or (byte)'\t';
}
