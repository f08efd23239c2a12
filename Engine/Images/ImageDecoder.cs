namespace Llama4Kernels.Engine.Images;

/// <summary>
/// Turns the bytes of an image file into RGB. PNG (exact in every colour type), JPEG (baseline, progressive, CMYK),
/// WebP, GIF and BMP; animations give their first frame. Content decides the type, never the name. Colour profiles,
/// gamma and text are ignored.
/// </summary>
internal static class ImageDecoder
{
    /// <summary>Decodes a file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="options">Conversions and limits; null for the defaults.</param>
    /// <returns>The picture.</returns>
    /// <exception cref="ImageFormatException">The file is no supported image, is damaged, or passes a limit.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static RgbImage Decode(string path, ImageDecodeOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        options ??= ImageDecodeOptions.Default;
        CheckBytes(new FileInfo(path).Length, path, options);
        return Decode(File.ReadAllBytes(path), options, path);
    }

    /// <summary>Decodes bytes in memory.</summary>
    /// <param name="data">The whole file's content.</param>
    /// <param name="options">Conversions and limits; null for the defaults.</param>
    /// <param name="source">What errors call the image.</param>
    /// <returns>The picture.</returns>
    /// <exception cref="ImageFormatException">The bytes are no supported image, are damaged, or pass a limit.</exception>
    public static RgbImage Decode(byte[] data, ImageDecodeOptions? options = null, string source = "image")
    {
        ArgumentNullException.ThrowIfNull(data);
        options ??= ImageDecodeOptions.Default;
        CheckBytes(data.LongLength, source, options);
        (RgbImage image, int orientation) = IsPng(data)
            ? PngDecoder.Decode(data, source, options)
            : IsLibraryType(data)
                ? SkiaDecoder.Decode(data, source, options)
                : throw new ImageFormatException(source, UnknownReason(data));
        return options.Mode == ImageDecodeMode.Full ? ExifOrientation.Apply(image, orientation) : image;
    }

    private static void CheckBytes(long bytes, string source, ImageDecodeOptions options)
    {
        if (bytes > options.MaxBytes)
        {
            throw new ImageFormatException(source, $"{bytes} bytes; the limit is {options.MaxBytes}.");
        }
    }

    private static bool IsPng(ReadOnlySpan<byte> data) => data.StartsWith(PngFile.Signature);

    // Only these reach the library: it knows more formats (raw camera files among them), each one more to attack.
    private static bool IsLibraryType(ReadOnlySpan<byte> data) =>
        data.StartsWith((ReadOnlySpan<byte>)[0xFF, 0xD8, 0xFF])
        || data.StartsWith("GIF87a"u8)
        || data.StartsWith("GIF89a"u8)
        || data.StartsWith("BM"u8)
        || (data.Length >= 12 && data.StartsWith("RIFF"u8) && data[8..].StartsWith("WEBP"u8));

    private static string UnknownReason(ReadOnlySpan<byte> data) =>
        data.Length == 0
            ? "the image is empty."
            : "not an image of a supported type; use PNG, JPEG, WebP, GIF or BMP.";
}
