namespace Llama4Kernels.Engine.Images;

/// <summary>A decoded picture: 8-bit RGB without padding.</summary>
internal sealed class RgbImage
{
    /// <summary>Wraps pixels without copying them.</summary>
    /// <param name="width">Columns, positive.</param>
    /// <param name="height">Rows, positive.</param>
    /// <param name="pixels">Samples [height, width, 3]; kept, not copied.</param>
    /// <exception cref="ArgumentException">The size is not positive or the pixels do not fit it.</exception>
    public RgbImage(int width, int height, byte[] pixels)
    {
        ArgumentNullException.ThrowIfNull(pixels);
        if (width <= 0 || height <= 0 || pixels.LongLength != 3L * width * height)
        {
            throw new ArgumentException(
                $"{pixels.LongLength} bytes are not [{height}, {width}, 3].", nameof(pixels));
        }
        Width = width;
        Height = height;
        Pixels = pixels;
    }

    /// <summary>Columns.</summary>
    public int Width { get; }

    /// <summary>Rows.</summary>
    public int Height { get; }

    /// <summary>Samples [Height, Width, 3].</summary>
    public byte[] Pixels { get; }
}
