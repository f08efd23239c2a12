namespace Llama4Kernels.Engine.Chat;

/// <summary>
/// The place of an image in a message. More than one tile means one more, the global tile, in the token run.
/// </summary>
/// <param name="Rows">Tiles from top to bottom, at least 1.</param>
/// <param name="Columns">Tiles from left to right, at least 1.</param>
/// <param name="Tag">Whatever the caller wants to find here again, such as the prepared tiles.</param>
public sealed record ImageContent(int Rows, int Columns, object? Tag = null) : ChatContent;
