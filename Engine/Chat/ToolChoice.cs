namespace Llama4Kernels.Engine.Chat;

/// <summary>Whether an answer may, must or must not call tools.</summary>
public sealed record ToolChoice
{
    private ToolChoice(bool mayCall, bool mustCall, string? name) => (MayCall, MustCall, Name) = (mayCall, mustCall, name);

    /// <summary>Text only.</summary>
    public static ToolChoice None { get; } = new(false, false, null);

    /// <summary>Text, which ends where a call begins; or calls.</summary>
    public static ToolChoice Auto { get; } = new(true, false, null);

    /// <summary>One call or several, and nothing else.</summary>
    public static ToolChoice Required { get; } = new(true, true, null);

    /// <summary>Whether calls are allowed.</summary>
    public bool MayCall { get; }

    /// <summary>Whether the answer is calls only.</summary>
    public bool MustCall { get; }

    /// <summary>The tool that must be called; null for any.</summary>
    public string? Name { get; }

    /// <summary>Whether an answer may have several calls. Of a named tool there is one unless this is set.</summary>
    public bool AllowsSeveral { get; init; } = true;

    /// <summary>One call of this tool.</summary>
    public static ToolChoice Named(string name)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        return new ToolChoice(true, true, name) { AllowsSeveral = false };
    }
}
