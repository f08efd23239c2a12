namespace Llama4Kernels.Engine.Chat;

/// <summary>Text in a message. It is tokenized apart from its neighbours, untrimmed, and never yields control tokens.</summary>
/// <param name="Text">The text, possibly empty.</param>
public sealed record TextContent(string Text) : ChatContent;
