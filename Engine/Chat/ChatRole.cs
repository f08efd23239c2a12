namespace Llama4Kernels.Engine.Chat;

/// <summary>Who speaks in a message.</summary>
public enum ChatRole
{
    /// <summary>Instructions for the whole conversation.</summary>
    System,

    /// <summary>The person.</summary>
    User,

    /// <summary>The model.</summary>
    Assistant,

    /// <summary>The result of a tool call; the model sees the role as "ipython".</summary>
    Tool,
}
