namespace Llama4Kernels.Engine.Constraints.Lexing;

/// <summary>
/// Tokens that are nothing but text in some form: by kinds of code points for most automata, by code points for those that tell letters
/// apart. Immutable.
/// </summary>
internal sealed class PlainTokens
{
    private readonly TextTrie byKind;
    private readonly TextTrie byCodePoint;

    /// <param name="texts">What tokens say.</param>
    /// <param name="tokens">The tokens, ascending by their bytes.</param>
    public PlainTokens(TokenTexts texts, int[] tokens)
    {
        byKind = TextTrie.OfKinds(texts, tokens);
        byCodePoint = TextTrie.OfCodePoints(texts, tokens);
    }

    /// <summary>Adds the tokens that a text may go on with.</summary>
    /// <inheritdoc cref="TextTrie.Walk" path="/param"/>
    public void Walk(BoundedTexts bounded, int state, int count, Span<ulong> found)
    {
        bool tellsLetters = (bounded.Dfa.SplitKinds(state) & ~bounded.Dfa.Open(state) & CodePointKinds.Wide) != 0;
        (tellsLetters ? byCodePoint : byKind).Walk(bounded, state, count, found);
    }
}
