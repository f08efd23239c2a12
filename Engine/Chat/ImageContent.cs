using Llama4Kernels.Engine.Images;

namespace Llama4Kernels.Engine.Chat;

/// <summary>
/// A picture in a message, as <see cref="Model.Llama4Model.LoadPicture(string)"/> gives it. More than one tile means one more, the global tile, in the token run.
/// </summary>
public sealed record ImageContent : ChatContent
{
    /// <summary>A picture.</summary>
    /// <param name="image">The picture, cut into tiles as the model wants it.</param>
    internal ImageContent(PreprocessedImage image)
    {
        ArgumentNullException.ThrowIfNull(image);
        Image = image;
        (Rows, Columns) = (image.Rows, image.Columns);
    }

    /// <summary>The place of a picture, to count tokens: a prompt that has one cannot be run.</summary>
    /// <param name="rows">Tiles from top to bottom, at least 1.</param>
    /// <param name="columns">Tiles from left to right, at least 1.</param>
    internal ImageContent(int rows, int columns) => (Rows, Columns) = (rows, columns);

    /// <summary>The picture; null for a place.</summary>
    internal PreprocessedImage? Image { get; }

    /// <summary>Tiles from top to bottom.</summary>
    public int Rows { get; }

    /// <summary>Tiles from left to right.</summary>
    public int Columns { get; }
}
