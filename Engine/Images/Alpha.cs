namespace Llama4Kernels.Engine.Images;

/// <summary>Composition on white as Pillow rounds it.</summary>
internal static class Alpha
{
    /// <summary>One sample on a white ground.</summary>
    /// <param name="colour">The sample, not multiplied by alpha.</param>
    /// <param name="alpha">0 transparent to 255 opaque.</param>
    /// <returns>The visible sample.</returns>
    public static byte OnWhite(byte colour, byte alpha)
    {
        int t = (255 * (255 - alpha)) + (colour * alpha) + 128;
        return (byte)((t + (t >> 8)) >> 8);
    }
}
