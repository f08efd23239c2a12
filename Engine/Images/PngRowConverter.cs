using System.Buffers.Binary;

namespace Llama4Kernels.Engine.Images;

/// <summary>Converts unfiltered PNG rows of any colour type and depth to RGB bytes.</summary>
internal sealed class PngRowConverter
{
    private readonly PngFile _file;
    private readonly string _source;
    private readonly bool _full;
    private readonly bool _hasKey;
    private readonly ushort _keyRed;
    private readonly ushort _keyGreen;
    private readonly ushort _keyBlue;
    private readonly byte[] _palette;

    /// <summary>Prepares the palette and the transparent colour.</summary>
    /// <param name="file">The checked file.</param>
    /// <param name="mode">Which conversions to make.</param>
    /// <param name="source">What errors call the file.</param>
    public PngRowConverter(PngFile file, ImageDecodeMode mode, string source)
    {
        _file = file;
        _source = source;
        _full = mode == ImageDecodeMode.Full;
        _palette = [.. file.Palette];
        ReadOnlySpan<byte> transparency = file.Transparency;
        if (!_full || transparency.Length == 0)
        {
            return;
        }
        if (file.ColourType == 3)
        {
            for (int i = 0; i < transparency.Length; i++)
            {
                for (int c = 0; c < 3; c++)
                {
                    _palette[(3 * i) + c] = Alpha.OnWhite(_palette[(3 * i) + c], transparency[i]);
                }
            }
            return;
        }
        _hasKey = true;
        _keyRed = BinaryPrimitives.ReadUInt16BigEndian(transparency);
        if (file.ColourType == 2)
        {
            _keyGreen = BinaryPrimitives.ReadUInt16BigEndian(transparency[2..]);
            _keyBlue = BinaryPrimitives.ReadUInt16BigEndian(transparency[4..]);
        }
    }

    /// <summary>Converts one row.</summary>
    /// <param name="row">Stored samples.</param>
    /// <param name="columns">Pixels in the row.</param>
    /// <param name="target">Starts at the first pixel's red sample.</param>
    /// <param name="step">Bytes from one target pixel to the next.</param>
    /// <exception cref="ImageFormatException">A pixel points outside the palette.</exception>
    public void Convert(ReadOnlySpan<byte> row, int columns, Span<byte> target, int step)
    {
        switch (_file.ColourType)
        {
            case 0:
                Grey(row, columns, target, step);
                break;
            case 2:
                Rgb(row, columns, target, step);
                break;
            case 3:
                Indexed(row, columns, target, step);
                break;
            case 4:
                GreyAlpha(row, columns, target, step);
                break;
            default:
                RgbAlpha(row, columns, target, step);
                break;
        }
    }

    private void Grey(ReadOnlySpan<byte> row, int columns, Span<byte> target, int step)
    {
        int depth = _file.Depth;
        int scale = depth < 8 ? 255 / ((1 << depth) - 1) : 1;
        for (int x = 0; x < columns; x++)
        {
            int stored = depth == 16 ? BinaryPrimitives.ReadUInt16BigEndian(row[(2 * x)..]) : Packed(row, x, depth);
            int value = depth == 16 ? (_full ? stored >> 8 : Math.Min(stored, 255)) : stored * scale;
            if (_hasKey && stored == _keyRed)
            {
                value = 255;
            }
            target.Slice(x * step, 3).Fill((byte)value);
        }
    }

    private void Rgb(ReadOnlySpan<byte> row, int columns, Span<byte> target, int step)
    {
        int bytes = _file.Depth / 8;
        for (int x = 0; x < columns; x++)
        {
            ReadOnlySpan<byte> pixel = row.Slice(x * 3 * bytes, 3 * bytes);
            Span<byte> output = target.Slice(x * step, 3);
            if (_hasKey && Sample(pixel, 0) == _keyRed && Sample(pixel, 1) == _keyGreen && Sample(pixel, 2) == _keyBlue)
            {
                output.Fill(255);
                continue;
            }
            output[0] = pixel[0];
            output[1] = pixel[bytes];
            output[2] = pixel[2 * bytes];
        }
    }

    private void Indexed(ReadOnlySpan<byte> row, int columns, Span<byte> target, int step)
    {
        for (int x = 0; x < columns; x++)
        {
            int index = 3 * Packed(row, x, _file.Depth);
            if (index >= _palette.Length)
            {
                throw new ImageFormatException(
                    _source, $"damaged PNG: colour {index / 3} of a palette of {_palette.Length / 3}.");
            }
            _palette.AsSpan(index, 3).CopyTo(target[(x * step)..]);
        }
    }

    private void GreyAlpha(ReadOnlySpan<byte> row, int columns, Span<byte> target, int step)
    {
        int bytes = _file.Depth / 8;
        for (int x = 0; x < columns; x++)
        {
            byte grey = row[2 * x * bytes];
            byte alpha = row[((2 * x) + 1) * bytes];
            target.Slice(x * step, 3).Fill(_full ? Alpha.OnWhite(grey, alpha) : grey);
        }
    }

    private void RgbAlpha(ReadOnlySpan<byte> row, int columns, Span<byte> target, int step)
    {
        int bytes = _file.Depth / 8;
        for (int x = 0; x < columns; x++)
        {
            ReadOnlySpan<byte> pixel = row.Slice(x * 4 * bytes, 4 * bytes);
            byte alpha = pixel[3 * bytes];
            Span<byte> output = target.Slice(x * step, 3);
            output[0] = Alpha.OnWhite(pixel[0], alpha);
            output[1] = Alpha.OnWhite(pixel[bytes], alpha);
            output[2] = Alpha.OnWhite(pixel[2 * bytes], alpha);
        }
    }

    private int Sample(ReadOnlySpan<byte> pixel, int channel) =>
        _file.Depth == 16 ? BinaryPrimitives.ReadUInt16BigEndian(pixel[(2 * channel)..]) : pixel[channel];

    private static int Packed(ReadOnlySpan<byte> row, int x, int depth)
    {
        int bit = x * depth;
        return (row[bit >> 3] >> (8 - depth - (bit & 7))) & ((1 << depth) - 1);
    }
}
