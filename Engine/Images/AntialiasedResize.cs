using System.Numerics;

namespace Llama4Kernels.Engine.Images;

/// <summary>
/// Pillow's bilinear resize with antialiasing, bit for bit: horizontally, then vertically, each pass rounded to 8
/// bits and skipped when its size does not change.
/// </summary>
internal static class AntialiasedResize
{
    private const int Half = 1 << (ResizeFilter.FractionBits - 1);

    // Below this many output samples a pass is shorter than handing it to other threads.
    private const long ParallelThreshold = 1 << 16;

    /// <summary>Resizes a picture.</summary>
    /// <param name="image">The picture.</param>
    /// <param name="width">New columns, positive.</param>
    /// <param name="height">New rows, positive.</param>
    /// <returns>The resized picture; the same object when the size does not change.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A size is not positive.</exception>
    public static RgbImage Resize(RgbImage image, int width, int height)
    {
        ArgumentNullException.ThrowIfNull(image);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(width);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(height);
        if (width != image.Width)
        {
            image = Horizontal(image, width);
        }
        return height != image.Height ? Vertical(image, height) : image;
    }

    private static RgbImage Horizontal(RgbImage image, int width)
    {
        ResizeFilter filter = ResizeFilter.Create(image.Width, width);
        byte[] target = new byte[checked(3 * width * image.Height)];
        int sourceStride = 3 * image.Width;
        ForRows(image.Height, 3 * width, y =>
        {
            ReadOnlySpan<byte> row = image.Pixels.AsSpan(y * sourceStride, sourceStride);
            Span<byte> output = target.AsSpan(y * 3 * width, 3 * width);
            for (int x = 0; x < width; x++)
            {
                ReadOnlySpan<int> weights = filter.Weights.AsSpan(x * filter.Stride, filter.Count[x]);
                ReadOnlySpan<byte> taps = row.Slice(3 * filter.First[x], 3 * weights.Length);
                int red = Half;
                int green = Half;
                int blue = Half;
                for (int k = 0; k < weights.Length; k++)
                {
                    int weight = weights[k];
                    red += weight * taps[3 * k];
                    green += weight * taps[(3 * k) + 1];
                    blue += weight * taps[(3 * k) + 2];
                }
                output[3 * x] = ToByte(red);
                output[(3 * x) + 1] = ToByte(green);
                output[(3 * x) + 2] = ToByte(blue);
            }
        });
        return new RgbImage(width, image.Height, target);
    }

    private static RgbImage Vertical(RgbImage image, int height)
    {
        ResizeFilter filter = ResizeFilter.Create(image.Height, height);
        int stride = 3 * image.Width;
        byte[] target = new byte[checked(stride * height)];
        ForRows(height, stride, y =>
        {
            ReadOnlySpan<int> weights = filter.Weights.AsSpan(y * filter.Stride, filter.Count[y]);
            ReadOnlySpan<byte> source = image.Pixels.AsSpan(filter.First[y] * stride, weights.Length * stride);
            Span<byte> output = target.AsSpan(y * stride, stride);
            int done = 0;
            for (; done <= stride - Vector<byte>.Count; done += Vector<byte>.Count)
            {
                VerticalBlock(source[done..], weights, stride, output.Slice(done, Vector<byte>.Count));
            }
            for (; done < stride; done++)
            {
                int sum = Half;
                for (int k = 0; k < weights.Length; k++)
                {
                    sum += weights[k] * source[(k * stride) + done];
                }
                output[done] = ToByte(sum);
            }
        });
        return new RgbImage(image.Width, height, target);
    }

    private static void VerticalBlock(ReadOnlySpan<byte> source, ReadOnlySpan<int> weights, int stride, Span<byte> output)
    {
        Vector<uint> a = new(Half);
        Vector<uint> b = a;
        Vector<uint> c = a;
        Vector<uint> d = a;
        for (int k = 0; k < weights.Length; k++)
        {
            // Weights are never negative, so unsigned sums are exact: at most 255 * 2^22 and a little rounding.
            Vector<uint> weight = new((uint)weights[k]);
            Vector.Widen(new Vector<byte>(source[(k * stride)..]), out Vector<ushort> low, out Vector<ushort> high);
            Vector.Widen(low, out Vector<uint> first, out Vector<uint> second);
            Vector.Widen(high, out Vector<uint> third, out Vector<uint> fourth);
            a += first * weight;
            b += second * weight;
            c += third * weight;
            d += fourth * weight;
        }
        Vector.Narrow(Vector.Narrow(Round(a), Round(b)), Vector.Narrow(Round(c), Round(d))).CopyTo(output);
    }

    private static Vector<uint> Round(Vector<uint> sum) =>
        Vector.Min(Vector.ShiftRightLogical(sum, ResizeFilter.FractionBits), new Vector<uint>(255));

    // Weights may sum to a few units more than one.
    private static byte ToByte(int sum) => (byte)Math.Min(sum >> ResizeFilter.FractionBits, 255);

    private static void ForRows(int rows, int samplesPerRow, Action<int> body)
    {
        if ((long)rows * samplesPerRow < ParallelThreshold)
        {
            for (int y = 0; y < rows; y++)
            {
                body(y);
            }
            return;
        }
        Parallel.For(0, rows, body);
    }
}
