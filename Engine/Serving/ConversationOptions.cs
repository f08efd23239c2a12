using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Generation;

namespace Llama4Kernels.Engine.Serving;

/// <summary>What a <see cref="Conversation"/> begins with.</summary>
public sealed record ConversationOptions
{
    /// <summary>A system prompt for the instruction-tuned models, to opt into: nothing is added unless the caller adds it.</summary>
    public const string DefaultSystem =
        "You are Llama 4, a helpful assistant. Answer in the language of the user, directly and in plain words. "
        + "Say so when you do not know something or cannot see it in the picture. "
        + "Your knowledge ends in August 2024. "
        + "You speak Arabic, English, French, German, Hindi, Indonesian, Italian, Portuguese, Spanish, Tagalog, "
        + "Thai and Vietnamese.";

    /// <summary>Instructions for the whole conversation, such as <see cref="DefaultSystem"/>; null for none.</summary>
    public string? System { get; init; }

    /// <summary>
    /// Tools that the model may call, possibly none. They are described after <see cref="System"/>, and only calls of these are
    /// taken for calls.
    /// </summary>
    public IReadOnlyList<ToolDefinition> Tools
    {
        get;
        init
        {
            ArgumentNullException.ThrowIfNull(value, nameof(Tools));
            if (value.Contains(null!))
            {
                throw new ArgumentException("A tool is null.", nameof(Tools));
            }
            field = value.GroupBy(tool => tool.Name, StringComparer.Ordinal).FirstOrDefault(group => group.Count() > 1) is { } twice
                ? throw new ArgumentException($"The tool '{twice.Key}' is declared twice.", nameof(Tools))
                : [.. value];
        }
    } = [];

    /// <summary>
    /// Makes answers keep to a choice: calls then keep to the tools' schemas. Null lets the model write what it likes, and what
    /// are calls is read from it. A conversation may change it between answers.
    /// </summary>
    public ToolChoice? ToolChoice { get; init; }

    /// <summary>How to generate where an answer is not asked for otherwise.</summary>
    public GenerationOptions Generation
    {
        get;
        init => field = value ?? throw new ArgumentNullException(nameof(Generation));
    } = new();

    /// <summary>As <see cref="GenerationRequest.Priority"/>, of all its answers.</summary>
    public int Priority { get; init; }

    /// <summary>As <see cref="GenerationRequest.Salt"/>, of all its answers.</summary>
    public string Salt
    {
        get;
        init => field = value ?? throw new ArgumentNullException(nameof(Salt));
    } = string.Empty;
}
