namespace Llama4Kernels.Engine.Constraints.Lexing;

/// <summary>The texts of a <see cref="Dfa"/> of a certain number of code points, in a written form.</summary>
internal sealed class TextAutomaton : LazyAutomaton
{
    private readonly BoundedTexts _bounded;
    private readonly Dfa _dfa;
    private readonly TextForm _form;
    private readonly SliceCache _cache;
    private readonly int _cacheKey;
    private readonly int _longestShortest;
    private readonly List<State> _states = [];
    private readonly Dictionary<State, int> _ids = [];

    /// <param name="bounded">The texts; their tags become the automaton's.</param>
    /// <param name="form">How they are written.</param>
    /// <param name="cache">Shared by automata.</param>
    /// <param name="cacheKey">Equal for automata of the same texts and form, whatever their bounds of length.</param>
    public TextAutomaton(BoundedTexts bounded, TextForm form, SliceCache cache, int cacheKey)
    {
        _bounded = bounded;
        _form = form;
        _cache = cache;
        _cacheKey = cacheKey;
        _dfa = bounded.Dfa;
        _longestShortest = _dfa.IsEmpty ? 0 : _dfa.Shortest.Max();
        if (!bounded.IsEmpty)
        {
            Intern(new State(0, 0, TextDecoder.Start(form)));
        }
    }

    public override bool Continues(int state)
    {
        State at = _states[state];
        if (at.Reader == TextDecoder.Closed)
        {
            return false;
        }
        return _form != TextForm.Raw || !TextDecoder.IsContent(at.Reader) || _bounded.AnyLive(at.Text, at.Count, 0, CodePointSet.Last);
    }

    public override Slice SliceOf(int state, VocabularyTrie vocabulary)
    {
        State at = _states[state];
        int toMin = Math.Max(_bounded.Min - at.Count, 0);
        // Further away than a token reaches, bounds make no difference.
        bool isFar = _bounded.Max == int.MaxValue || _bounded.Max - at.Count > vocabulary.MaxTokenBytes + _longestShortest + toMin;
        int toMax = isFar ? int.MaxValue : _bounded.Max - at.Count;
        if (_dfa.IsUniversal && isFar)
        {
            toMin = Math.Min(toMin, vocabulary.MaxTokenBytes + 1);
        }
        return _cache.GetOrAdd(
            new SliceCache.Key(_cacheKey, at.Text, toMin, toMax, at.Reader), (Automaton: this, state, vocabulary),
            static key => key.Automaton.Make(key.state, key.vocabulary));
    }

    /// <summary>The tables that tell what tokens do from a state; none where they must be asked byte by byte.</summary>
    public IEnumerable<WrittenTokens> TokensAt(int state, VocabularyTrie vocabulary)
    {
        int reader = _states[state].Reader;
        return vocabulary.Written(_form).Where(tokens => tokens.Reader == reader);
    }

    protected override int Step(int state, byte value)
    {
        State at = _states[state];
        int reader = TextDecoder.Step(_form, at.Reader, value, out int codePoint);
        if (reader == TextDecoder.Dead)
        {
            return Dead;
        }
        if (codePoint >= 0)
        {
            int next = _dfa.Next(at.Text, codePoint);
            int count = _bounded.After(at.Count);
            return next != Dfa.Dead && _bounded.Live(next, count) ? Intern(new State(next, count, reader)) : Dead;
        }
        if (reader == TextDecoder.Closed)
        {
            return _bounded.Accepts(at.Text, at.Count) ? Intern(at with { Reader = TextDecoder.Closed }) : Dead;
        }
        bool alive = TextDecoder.IsContent(reader) || _bounded.AnyLive(at.Text, at.Count, [.. TextDecoder.Pending(_form, reader)]);
        return alive ? Intern(at with { Reader = reader }) : Dead;
    }

    private Slice Make(int state, VocabularyTrie vocabulary)
    {
        WrittenTokens[] tables = [.. TokensAt(state, vocabulary)];
        if (tables.Length == 0)
        {
            return SliceBuilder.Walk(this, state, vocabulary);
        }
        State at = _states[state];
        Span<ulong> found = SliceBuilder.NoTokens(vocabulary);
        List<Slice.Closing> closings = [];
        foreach (WrittenTokens table in tables)
        {
            table.Walk(_bounded, at.Text, at.Count, found, closings);
        }
        return Slice.Of(found, [.. closings], vocabulary.Sets);
    }

    private int Intern(State state)
    {
        if (!_ids.TryGetValue(state, out int id))
        {
            bool whole = _form == TextForm.Raw
                ? TextDecoder.IsContent(state.Reader) && _bounded.Accepts(state.Text, state.Count)
                : state.Reader == TextDecoder.Closed;
            // The list first: a reader that learns of the state looks it up there.
            _states.Add(state);
            id = Add(whole ? _dfa.Tags[state.Text] : -1);
            _ids.Add(state, id);
        }
        return id;
    }

    private readonly record struct State(int Text, int Count, int Reader);
}
