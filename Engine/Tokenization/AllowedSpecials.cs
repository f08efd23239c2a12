namespace Llama4Kernels.Engine.Tokenization;

/// <summary>
/// Which special tokens <see cref="Llama4Tokenizer"/> recognises by their spelling.
/// Text from users must be encoded with <see cref="None"/>, or it could forge the control tokens of a conversation.
/// </summary>
internal sealed class AllowedSpecials
{
    private readonly HashSet<string>? _names;

    private AllowedSpecials(HashSet<string>? names) => _names = names;

    /// <summary>No special token: their spelling is ordinary text.</summary>
    public static AllowedSpecials None { get; } = new([]);

    /// <summary>Every special token of the tokenizer.</summary>
    public static AllowedSpecials All { get; } = new((HashSet<string>?)null);

    /// <summary>Only the given tokens; names that the tokenizer does not know are never found.</summary>
    /// <param name="names">Token names with their brackets, such as <c>&lt;|eot|&gt;</c>.</param>
    /// <returns>The set.</returns>
    public static AllowedSpecials Only(params IEnumerable<string> names) =>
        new(new HashSet<string>(names, StringComparer.Ordinal));

    internal bool IsEmpty => _names is { Count: 0 };

    internal bool Contains(string name) => _names is null || _names.Contains(name);
}
