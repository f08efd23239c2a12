using SkiaSharp;

namespace Llama4Kernels.Engine.Images;

/// <summary>
/// JPEG, WebP, GIF and BMP through Skia, whose JPEG decoder is libjpeg-turbo: triangle chroma upsampling, as the
/// model's own preprocessing has it. No colour management is asked for.
/// </summary>
internal static class SkiaDecoder
{
    /// <summary>Decodes the first frame.</summary>
    /// <param name="data">The file.</param>
    /// <param name="source">What errors call it.</param>
    /// <param name="options">Limits, checked on the header before memory is taken.</param>
    /// <returns>The picture as stored, transparency composed on white, and its EXIF orientation.</returns>
    /// <exception cref="ImageFormatException">The file is damaged or passes a limit.</exception>
    public static unsafe (RgbImage Image, int Orientation) Decode(
        byte[] data, string source, ImageDecodeOptions options)
    {
        using SKData encoded = SKData.CreateCopy(data);
        using SKCodec codec = SKCodec.Create(encoded)
            ?? throw new ImageFormatException(source, "damaged image: its header cannot be read.");
        SKImageInfo stored = codec.Info;
        options.CheckSize(source, stored.Width, stored.Height);
        bool opaque = stored.AlphaType == SKAlphaType.Opaque;
        SKImageInfo wanted = new(
            stored.Width, stored.Height, SKColorType.Rgba8888, opaque ? SKAlphaType.Opaque : SKAlphaType.Unpremul);
        byte[] rgba = new byte[4L * wanted.Width * wanted.Height];
        SKCodecResult result;
        fixed (byte* target = rgba)
        {
            result = codec.GetPixels(wanted, (nint)target);
        }
        if (result != SKCodecResult.Success)
        {
            throw new ImageFormatException(
                source,
                result == SKCodecResult.IncompleteInput
                    ? "truncated image: its pixel data ends early."
                    : $"damaged image: its pixels cannot be decoded ({result}).");
        }
        return (new RgbImage(wanted.Width, wanted.Height, DropAlpha(rgba, opaque)), (int)codec.EncodedOrigin);
    }

    private static byte[] DropAlpha(byte[] rgba, bool opaque)
    {
        byte[] pixels = new byte[rgba.Length / 4 * 3];
        for (int from = 0, to = 0; from < rgba.Length; from += 4, to += 3)
        {
            byte alpha = opaque ? byte.MaxValue : rgba[from + 3];
            pixels[to] = Alpha.OnWhite(rgba[from], alpha);
            pixels[to + 1] = Alpha.OnWhite(rgba[from + 1], alpha);
            pixels[to + 2] = Alpha.OnWhite(rgba[from + 2], alpha);
        }
        return pixels;
    }
}
