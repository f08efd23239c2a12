using System.Runtime.InteropServices;
using Llama4Kernels.Engine.Constraints.Lexing;
using Llama4Kernels.Engine.Constraints.Parsing;

namespace Llama4Kernels.Engine.Constraints.Elements;

/// <summary>
/// Keeps the keys of one object and the items of one array apart where they must differ: remembers those of the objects and arrays that
/// are open in one request, takes tokens that would repeat one out of masks, and leads the machine past the ways that a repetition
/// closes. The machine's states stay what all requests share. Not thread-safe.
/// </summary>
internal sealed class ElementTracker
{
    private readonly Machine _machine;
    private readonly VocabularyTrie _vocabulary;

    // Large enough at once for most answers.
    private Frame[] _frames = new Frame[32];
    private int _depth;
    private readonly List<byte> _text = new(8192);

    // What a step may have to undo.
    private Frame[] _framesBefore = new Frame[32];
    private int _depthBefore;
    private readonly List<(int Frame, int Start, int End)> _added = new(16);
    private readonly List<int> _doubtful = new(64);
    private readonly Stack<(MachineState State, int Node, ElementPlace Place)> _ways = new(64);
    private ElementPlace _place;
    private ElementPlace _placeBefore;
    private int _textBefore;
    private int _lastFrame;

    public ElementTracker(Machine machine)
    {
        _machine = machine;
        _vocabulary = machine.Vocabulary;
    }

    private ElementTracker(ElementTracker other)
        : this(other._machine)
    {
        _depth = other._depth;
        _frames = new Frame[other._frames.Length];
        for (int i = 0; i < _depth; i++)
        {
            _frames[i] = other._frames[i] with { Seen = other._frames[i].Seen?.Clone() };
        }
        _text.AddRange(other._text);
        _place = other._place;
        _lastFrame = other._lastFrame;
    }

    private ReadOnlySpan<byte> Text => CollectionsMarshal.AsSpan(_text);

    public ElementTracker Clone() => new(this);

    /// <summary>Takes a token. If it may not come, all is as before.</summary>
    /// <returns>The state after it; <see cref="MachineState.Dead"/> if it may not come.</returns>
    public MachineState Advance(MachineState state, int token)
    {
        MachineState next = Try(state, token);
        if (ReferenceEquals(next, MachineState.Dead))
        {
            Undo();
            return next;
        }
        foreach ((int frame, int start, int end) in _added)
        {
            int index = Array.FindIndex(_frames, 0, _depth, open => open.Id == frame);
            if (index >= 0)
            {
                ElementTexts seen = _frames[index].Seen ?? new ElementTexts();
                seen.Add(Text[start..end], _vocabulary.Crossing);
                _frames[index] = _frames[index] with { Seen = seen, Node = seen.Find(Text[_frames[index].Start..]) };
            }
        }
        if (_depth == 0)
        {
            _text.Clear();
        }
        return next;
    }

    /// <summary>Takes the tokens out of a state's mask that would repeat an element, or leave no way but to repeat one.</summary>
    public void Exclude(MachineState state, TokenMask mask)
    {
        for (int i = 0; i < _depth; i++)
        {
            Frame frame = _frames[i];
            if (frame.Seen is null)
            {
                continue;
            }
            ExcludeAll(state, frame.Seen.Risky, mask);
            if (!frame.InElement)
            {
                continue;
            }
            if (frame.Seen.CanBecome(Text[frame.Start..], _text.Count - frame.Start + _vocabulary.MaxTokenBytes))
            {
                ExcludeAll(state, _vocabulary.Crossing.Closing, mask);
            }
            if (frame.Node != ElementTexts.Off)
            {
                ElementWalk walk = new(_machine, frame.Seen, i + 1, _ways);
                _doubtful.Clear();
                walk.Exclude(state, frame.Node, _place, mask, _doubtful);
                ExcludeAll(state, CollectionsMarshal.AsSpan(_doubtful), mask);
            }
        }
    }

    private void ExcludeAll(MachineState state, ReadOnlySpan<int> tokens, TokenMask mask)
    {
        foreach (int token in tokens)
        {
            if (mask[token])
            {
                if (ReferenceEquals(Try(state, token), MachineState.Dead))
                {
                    mask.Unset(token);
                }
                Undo();
            }
        }
    }

    private MachineState Try(MachineState state, int token)
    {
        if (_framesBefore.Length < _frames.Length)
        {
            _framesBefore = new Frame[_frames.Length];
        }
        _frames.AsSpan(0, _depth).CopyTo(_framesBefore);
        _depthBefore = _depth;
        _placeBefore = _place;
        _textBefore = _text.Count;
        _added.Clear();
        ReadOnlySpan<byte> bytes = _vocabulary.Tokenizer.BytesOf(token);
        if (_place.MayMark(bytes))
        {
            foreach (byte value in bytes)
            {
                state = Step(state, value);
                if (ReferenceEquals(state, MachineState.Dead))
                {
                    return state;
                }
            }
        }
        else
        {
            state = _machine.After(state, token);
            if (ReferenceEquals(state, MachineState.Dead))
            {
                return state;
            }
            foreach (byte value in bytes)
            {
                Read(value, ElementMark.None);
            }
        }
        return IsStuck(state) ? MachineState.Dead : state;
    }

    private void Undo()
    {
        _framesBefore.AsSpan(0, _depthBefore).CopyTo(_frames);
        _depth = _depthBefore;
        _place = _placeBefore;
        CollectionsMarshal.SetCount(_text, _textBefore);
        _added.Clear();
    }

    private MachineState Step(MachineState state, byte value)
    {
        // What a grammar writes around JSON may look like it; then nothing is open.
        ElementMark marks = _place.Marks(state, value);
        marks = _depth > 0 ? marks : marks & ElementMark.Open;
        if ((marks & ElementMark.Distinct) != 0 && _frames[_depth - 1] is { InElement: true } last && last.Start < _text.Count)
        {
            if (Repeats(last))
            {
                state = _machine.WithoutDistinct(state);
            }
            else
            {
                _added.Add((last.Id, last.Start, _text.Count));
            }
        }
        MachineState next = _machine.Next(state, value);
        if (ReferenceEquals(next, MachineState.Dead))
        {
            return next;
        }
        Read(value, marks);
        return next;
    }

    private void Read(byte value, ElementMark marks)
    {
        if ((marks & ElementMark.Close) != 0)
        {
            _frames[--_depth] = default;
        }
        bool isKept = _depth > 0 && !(_place.SkipsSpace && ElementPlace.IsSpace(value));
        _place = _place.After(value, marks);
        if (isKept)
        {
            _text.Add(value);
            foreach (ref Frame open in _frames.AsSpan(0, _depth))
            {
                if (open.Seen is not null && open.Node != ElementTexts.Off)
                {
                    open.Node = open.Seen.Child(open.Node, value);
                }
            }
        }
        if ((marks & ElementMark.Open) != 0)
        {
            if (_depth == _frames.Length)
            {
                Array.Resize(ref _frames, 2 * _depth);
            }
            _frames[_depth++] = new Frame(++_lastFrame, _text.Count, true, null, ElementTexts.Root);
        }
        else if ((marks & (ElementMark.Next | ElementMark.KeyEnd)) != 0)
        {
            ref Frame frame = ref _frames[_depth - 1];
            (frame.Start, frame.InElement, frame.Node) = (_text.Count, (marks & ElementMark.Next) != 0, ElementTexts.Root);
        }
    }

    private bool Repeats(Frame frame)
    {
        ReadOnlySpan<byte> element = Text[frame.Start..];
        if (frame.Seen?.Contains(element, frame.Node) == true)
        {
            return true;
        }
        foreach ((int id, int start, int end) in _added)
        {
            if (id == frame.Id && end - start == element.Length && SortedText.Of(Text[start..end]) == SortedText.Of(element))
            {
                return true;
            }
        }
        return false;
    }

    // Whether an element that is being written can become nothing but one that is there.
    private bool IsStuck(MachineState state)
    {
        for (int i = 0; i < _depth; i++)
        {
            Frame frame = _frames[i];
            if (frame.Seen is null || !frame.InElement)
            {
                continue;
            }
            ReadOnlySpan<byte> element = Text[frame.Start..];
            if (frame.Node != ElementTexts.Off
                ? !new ElementWalk(_machine, frame.Seen, i + 1, _ways).IsAlive(state, frame.Node, _place)
                : frame.Seen.CanBecome(element, int.MaxValue) && !CanDiffer(state, frame, i + 1))
            {
                return true;
            }
        }
        return false;
    }

    // Whether an element whose properties are in another order than those of the elements that are there can still become different from
    // all of them. A way on that none of them has settles it; else the ways that they have are followed, up to so many.
    private bool CanDiffer(MachineState state, Frame frame, int level)
    {
        const int MostSteps = 2_000;
        ElementTexts seen = frame.Seen!;
        Stack<(MachineState State, ElementPlace Place, byte[] Element)> pending = new([(state, _place, Text[frame.Start..].ToArray())]);
        for (int steps = 0; pending.TryPop(out (MachineState State, ElementPlace Place, byte[] Element) at); steps++)
        {
            for (int value = 0; value < 256; value++)
            {
                if (at.Place.SkipsSpace && ElementPlace.IsSpace((byte)value))
                {
                    continue;
                }
                ElementMark marks = at.Place.Marks(at.State, (byte)value);
                bool ends = at.Place.Depth == level && (marks & ElementMark.Distinct) != 0;
                bool repeats = ends && seen.Contains(at.Element, seen.Find(at.Element));
                MachineState next = _machine.Next(repeats ? _machine.WithoutDistinct(at.State) : at.State, (byte)value);
                if (ReferenceEquals(next, MachineState.Dead))
                {
                    continue;
                }
                byte[] element = [.. at.Element, (byte)value];
                if (ends || steps == MostSteps || !seen.CanBecome(element, int.MaxValue))
                {
                    return true;
                }
                pending.Push((next, at.Place.After((byte)value, marks), element));
            }
        }
        return false;
    }

    /// <summary>An object or array that is open.</summary>
    /// <param name="Id">No two have the same.</param>
    /// <param name="Start">Where the element that is being written begins in the text.</param>
    /// <param name="InElement">Whether one is being written or may begin; in an object's value none is.</param>
    /// <param name="Seen">The elements that others must differ from; null before there is one.</param>
    /// <param name="Node">The node of what has been written of the element, where there are others.</param>
    private record struct Frame(int Id, int Start, bool InElement, ElementTexts? Seen, int Node);
}
