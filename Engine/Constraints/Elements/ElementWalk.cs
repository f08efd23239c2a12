using System.Runtime.InteropServices;
using Llama4Kernels.Engine.Constraints.Lexing;
using Llama4Kernels.Engine.Constraints.Parsing;

namespace Llama4Kernels.Engine.Constraints.Elements;

/// <summary>Follows the elements that are there through the machine, to see where another one can still become different.</summary>
/// <param name="machine">The machine.</param>
/// <param name="seen">The elements.</param>
/// <param name="level">The depth at which they stand.</param>
/// <param name="ways">For the ways still to be followed.</param>
internal readonly struct ElementWalk(
    Machine machine, ElementTexts seen, int level, Stack<(MachineState State, int Node, ElementPlace Place)> ways)
{
    // What is most likely to lead away from the elements that are there comes first.
    private static readonly byte[] s_probes =
        [.. "eaxE0179_-. "u8, .. Enumerable.Range(0, 256).Select(value => (byte)value).Where(value => !"eaxE0179_-. "u8.Contains(value))];

    private static readonly byte[] s_markProbes = [.. ",:[]{}"u8];

    /// <summary>Takes the tokens out of a mask that lead to where nothing but a repetition can come of it.</summary>
    /// <param name="state">The state now.</param>
    /// <param name="node">The node of what has been written of the element.</param>
    /// <param name="place">The place.</param>
    /// <param name="mask">The mask.</param>
    /// <param name="doubtful">Receives tokens that end a repetition in one reading of the text and not in another.</param>
    public void Exclude(MachineState state, int node, ElementPlace place, TokenMask mask, List<int> doubtful) =>
        Exclude(state, node, place, -1, mask, doubtful);

    private void Exclude(MachineState state, int node, ElementPlace place, int parent, TokenMask mask, List<int> doubtful)
    {
        if (place.SkipsSpace && place.Depth == level && seen.IsElement(node))
        {
            foreach (byte end in ",]:"u8)
            {
                int token = Token(parent, end);
                if (token < 0 || (place.Marks(state, end) & ElementMark.Distinct) == 0)
                {
                    continue;
                }
                if (ReferenceEquals(machine.Next(machine.WithoutDistinct(state), end), MachineState.Dead))
                {
                    Unset(token, mask);
                }
                else
                {
                    AddTokens(token, doubtful);
                }
            }
        }
        if (place.SkipsSpace)
        {
            bool endsNumber = node != ElementTexts.Root && char.IsAsciiDigit((char)seen.Label(node));
            foreach (byte space in " \n\r\t"u8)
            {
                int token = Token(parent, space);
                MachineState next = token < 0 ? MachineState.Dead : machine.Next(state, space);
                if (ReferenceEquals(next, MachineState.Dead))
                {
                    continue;
                }
                // White space ends a number, which without it could still become another.
                if (!endsNumber || IsAlive(next, node, place))
                {
                    Exclude(next, node, place, token, mask, doubtful);
                }
                else
                {
                    Unset(token, mask);
                }
            }
        }
        for (int child = seen.FirstChild(node); child != ElementTexts.Off; child = seen.NextSibling(child))
        {
            byte label = seen.Label(child);
            int token = Token(parent, label);
            MachineState next = token < 0 ? MachineState.Dead : machine.Next(state, label);
            if (ReferenceEquals(next, MachineState.Dead))
            {
                continue;
            }
            ElementPlace after = place.After(label, place.Marks(state, label));
            if (IsAlive(next, child, after))
            {
                Exclude(next, child, after, token, mask, doubtful);
            }
            else
            {
                Unset(token, mask);
            }
        }
    }

    private int Token(int parent, byte value) => parent < 0 ? machine.Vocabulary.First(value) : machine.Vocabulary.Child(parent, value);

    private void AddTokens(int node, List<int> tokens)
    {
        VocabularyTrie vocabulary = machine.Vocabulary;
        for (int i = node; i < vocabulary.Ends[node]; i++)
        {
            if (vocabulary.Tokens[i] >= 0)
            {
                tokens.Add(vocabulary.Tokens[i]);
            }
        }
    }

    private void Unset(int node, TokenMask mask)
    {
        VocabularyTrie vocabulary = machine.Vocabulary;
        for (int i = node; i < vocabulary.Ends[node]; i++)
        {
            if (vocabulary.Tokens[i] >= 0)
            {
                mask.Unset(vocabulary.Tokens[i]);
            }
        }
    }

    /// <summary>Whether what has been written can become an element that is not there yet.</summary>
    /// <inheritdoc cref="Exclude(MachineState, int, ElementPlace, TokenMask, List{int})" path="/param"/>
    public bool IsAlive(MachineState state, int node, ElementPlace place)
    {
        if (LeadsAway(state, node, place))
        {
            return true;
        }
        // Deeper only where all ways on are the beginnings of elements that are there.
        ways.Clear();
        Push(state, node, place);
        while (ways.TryPop(out (MachineState State, int Node, ElementPlace Place) at))
        {
            if (LeadsAway(at.State, at.Node, at.Place))
            {
                return true;
            }
            Push(at.State, at.Node, at.Place);
        }
        return false;
    }

    private void Push(MachineState state, int node, ElementPlace place)
    {
        for (int child = seen.FirstChild(node); child != ElementTexts.Off; child = seen.NextSibling(child))
        {
            byte label = seen.Label(child);
            MachineState next = machine.Next(state, label);
            if (!ReferenceEquals(next, MachineState.Dead))
            {
                ways.Push((next, child, place.After(label, place.Marks(state, label))));
            }
        }
    }

    private bool LeadsAway(MachineState state, int node, ElementPlace place)
    {
        if (state.MayEnd)
        {
            return true;
        }
        bool onlyMarks = true;
        foreach (MachineState.Head head in state.Heads)
        {
            onlyMarks &= head.Terminal.Mark != ElementMark.None;
        }
        foreach (byte value in onlyMarks ? s_markProbes : s_probes)
        {
            if ((place.SkipsSpace && ElementPlace.IsSpace(value)) || (seen.Child(node, value) is int child && child != ElementTexts.Off))
            {
                continue;
            }
            MachineState from = state;
            ElementMark marks = place.Marks(state, value);
            if ((marks & ElementMark.Distinct) != 0 && place.Depth == level && seen.IsElement(node))
            {
                from = machine.WithoutDistinct(state);
            }
            if (!ReferenceEquals(machine.Next(from, value), MachineState.Dead))
            {
                return true;
            }
        }
        return false;
    }
}
