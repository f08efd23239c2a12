namespace Llama4Kernels.Engine.Constraints;

/// <summary>
/// What a generation may say next, as it stands after the tokens taken so far. A generator asks it before every token, ahead
/// of the sampler chain. It knows only tokens of text: the tokens that end an answer are never in its mask, and
/// <see cref="MayEnd"/> says whether they are allowed. One generation at a time.
/// </summary>
public interface ITokenConstraint
{
    /// <summary>
    /// Whether what was taken so far is a whole answer, so that a token that ends the answer is allowed. A constraint that may
    /// end and allows no token is over.
    /// </summary>
    bool MayEnd { get; }

    /// <summary>
    /// Tokens that are the only way on, in order; empty where there is a choice, where the answer may end, or where finding out
    /// would cost more than it saves. The generator takes them without asking the model. Valid until <see cref="Accept"/>.
    /// </summary>
    ReadOnlySpan<int> ForcedTokens { get; }

    /// <summary>
    /// Makes <paramref name="mask"/> exactly the set of the tokens that may come next, whatever it held before. Empty means
    /// that nothing but an end is left.
    /// </summary>
    /// <param name="mask">Of the size of the tokenizer's vocabulary.</param>
    void Allow(TokenMask mask);

    /// <summary>Takes a token.</summary>
    /// <param name="id">A token that <see cref="Allow"/> permits.</param>
    /// <exception cref="InvalidOperationException">The token is not permitted; the state is as before.</exception>
    void Accept(int id);

    /// <summary>A constraint in the same state that goes on independently.</summary>
    ITokenConstraint Fork();
}
