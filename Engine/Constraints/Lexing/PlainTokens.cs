namespace Llama4Kernels.Engine.Constraints.Lexing;

/// <summary>
/// Tokens that are nothing but text in some form: by kinds of code points for most automata, by code points for those that tell letters
/// apart. Immutable.
/// </summary>
internal sealed class PlainTokens
{
    private readonly TextTrie _byKind;
    private readonly TextTrie _byCodePoint;

    /// <param name="texts">What tokens say.</param>
    /// <param name="tokens">The tokens, ascending by their bytes.</param>
    public PlainTokens(TokenTexts texts, int[] tokens)
    {
        _byKind = TextTrie.OfKinds(texts, tokens);
        _byCodePoint = TextTrie.OfCodePoints(texts, tokens);
    }

    /// <summary>Adds the tokens that a text may go on with.</summary>
    /// <inheritdoc cref="TextTrie.Walk" path="/param"/>
    public void Walk(BoundedTexts bounded, int state, int count, Span<ulong> found)
    {
        // Also after any first code point: most tokens go on then.
        bool tellsLetters = TellsLetters(bounded.Dfa, state);
        for (int kind = 0; kind < CodePointKinds.Count && !tellsLetters; kind++)
        {
            int next = bounded.Dfa.NextByKind(state, kind);
            tellsLetters = next >= 0 && next != state && TellsLetters(bounded.Dfa, next);
        }
        (tellsLetters ? _byCodePoint : _byKind).Walk(bounded, state, count, found);
    }

    private static bool TellsLetters(Dfa dfa, int state) => (dfa.SplitKinds(state) & ~dfa.Open(state) & CodePointKinds.Wide) != 0;
}
