using Llama4Kernels.Engine.Tokenization;

namespace Llama4Kernels.Engine.Chat;

/// <summary>Special tokens that the chat format cannot do without.</summary>
internal static class SpecialIds
{
    /// <summary>The id of a token.</summary>
    /// <exception cref="ArgumentException">The tokenizer lacks it.</exception>
    public static int Of(Llama4Tokenizer tokenizer, string name) =>
        tokenizer.TryGetSpecial(name, out int id)
            ? id
            : throw new ArgumentException($"The tokenizer lacks {name}.", nameof(tokenizer));
}
