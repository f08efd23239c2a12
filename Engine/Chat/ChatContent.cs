namespace Llama4Kernels.Engine.Chat;

/// <summary>A part of a message: <see cref="TextContent"/> or <see cref="ImageContent"/>.</summary>
public abstract record ChatContent
{
    private protected ChatContent()
    {
    }
}
