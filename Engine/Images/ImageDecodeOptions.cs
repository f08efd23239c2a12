namespace Llama4Kernels.Engine.Images;

/// <summary>Limits and conversions of <see cref="ImageDecoder"/>.</summary>
internal sealed record ImageDecodeOptions
{
    /// <summary>Full conversions and the default limits.</summary>
    public static ImageDecodeOptions Default { get; } = new();

    /// <summary>Which conversions to make.</summary>
    public ImageDecodeMode Mode { get; init; } = ImageDecodeMode.Full;

    /// <summary>Most bytes of one encoded image.</summary>
    public long MaxBytes { get; init; } = 64L << 20;

    /// <summary>Most pixels (width x height) of one image; decoding holds up to 7 bytes for each.</summary>
    public long MaxPixels { get; init; } = 64_000_000;

    /// <summary>Most pixels along one side. It bounds the resize filter's table.</summary>
    public int MaxSide { get; init; } = 65_535;

    /// <summary>Refuses an image before any memory is taken for its pixels.</summary>
    /// <param name="source">What the error names.</param>
    /// <param name="width">Columns the header claims.</param>
    /// <param name="height">Rows the header claims.</param>
    /// <exception cref="ImageFormatException">A side is zero or a limit is passed.</exception>
    internal void CheckSize(string source, long width, long height)
    {
        if (width <= 0 || height <= 0)
        {
            throw new ImageFormatException(source, $"the image is {width}x{height} pixels; both sides must be positive.");
        }
        if (width > MaxSide || height > MaxSide)
        {
            throw new ImageFormatException(source, $"the image is {width}x{height} pixels; a side may have {MaxSide}.");
        }
        // Whatever the caller allows, four bytes a pixel must fit one array.
        long limit = Math.Min(MaxPixels, Array.MaxLength / 4);
        if (width * height > limit)
        {
            throw new ImageFormatException(
                source, $"the image is {width}x{height} = {width * height} pixels; the limit is {limit}.");
        }
    }
}
