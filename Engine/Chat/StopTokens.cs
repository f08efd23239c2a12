using Llama4Kernels.Engine.Tokenization;

namespace Llama4Kernels.Engine.Chat;

/// <summary>
/// The tokens that end an answer: those that a checkpoint's configuration and generation configuration name, and the format's
/// own (end_of_text, eom, eot), which configurations of derivatives often lack.
/// </summary>
internal sealed class StopTokens
{
    private readonly Dictionary<int, FinishReason> _reasons = [];

    /// <param name="configured">Ids that the checkpoint names.</param>
    /// <param name="tokenizer">Whose special tokens are the format's own; null for none.</param>
    /// <param name="vocabulary">Ids of the model; special tokens beyond are none of its.</param>
    public StopTokens(IEnumerable<int> configured, Llama4Tokenizer? tokenizer, int vocabulary)
    {
        foreach (int id in configured)
        {
            _reasons[id] = FinishReason.EndOfTurn;
        }
        foreach ((string name, FinishReason reason) in s_own)
        {
            if (tokenizer is not null && tokenizer.TryGetSpecial(name, out int id) && id < vocabulary)
            {
                _reasons[id] = reason;
            }
        }
        Ids = [.. _reasons.Keys];
    }

    private static readonly (string Name, FinishReason Reason)[] s_own =
    [
        (Llama4SpecialTokens.EndOfText, FinishReason.EndOfText),
        (Llama4SpecialTokens.EndOfMessage, FinishReason.EndOfMessage),
        (Llama4SpecialTokens.EndOfTurn, FinishReason.EndOfTurn),
    ];

    /// <summary>The ids: the configuration's in its order, then the format's.</summary>
    public IReadOnlyList<int> Ids { get; }

    /// <summary>Why an answer ends with a token; null if it goes on.</summary>
    public FinishReason? ReasonOf(int id) => _reasons.TryGetValue(id, out FinishReason reason) ? reason : null;

    /// <summary>The end token that a text ends with, and what it means.</summary>
    public static (string Token, FinishReason Reason)? EndOf(ReadOnlySpan<char> text)
    {
        foreach ((string name, FinishReason reason) in s_own)
        {
            if (text.EndsWith(name, StringComparison.Ordinal))
            {
                return (name, reason);
            }
        }
        return null;
    }
}
