using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Tests.Oracles;

namespace Llama4Kernels.Tests.Kernels.Ilgpu;

public abstract partial class DeviceKernelTests
{
    [Fact]
    public void PatchesOfTiles()
    {
        const int Tiles = 2, Channels = 3, Size = 6, Patch = 2, Grid = Size / Patch, Columns = Channels * Patch * Patch;
        ushort[] pixels = Array.ConvertAll(Numbers(Tiles * Channels * Size * Size, 50), Bf16.FromSingle);
        DeviceBuffer output = Zeros<float>(pixels.Length);
        Run("unfold_patches", (Tiles * Grid * Grid, 1, 1), _device.Upload(pixels), output, Channels, Size, Patch);
        float[] actual = Floats(output);
        int read = 0;
        for (int tile = 0; tile < Tiles; tile++)
        {
            for (int channel = 0; channel < Channels; channel++)
            {
                for (int y = 0; y < Size; y++)
                {
                    for (int x = 0; x < Size; x++, read++)
                    {
                        int patch = tile * Grid * Grid + y / Patch * Grid + x / Patch;
                        Assert.Equal(Bf16.ToSingle(pixels[read]), actual[patch * Columns + channel * Patch * Patch + y % Patch * Patch + x % Patch]);
                    }
                }
            }
        }
    }

    [Fact]
    public void ClassTokenAndPositions()
    {
        const int Tiles = 2, Rows = 4, Columns = 5;
        float[] patches = Numbers(Tiles * (Rows - 1) * Columns, 51), token = Numbers(Columns, 52), positions = Numbers(Rows * Columns, 53);
        DeviceBuffer x = Zeros<float>(Tiles * Rows * Columns);
        Run("append_class_token", (Tiles * Rows, 1, 1), _device.Upload(patches), _device.Upload(token), _device.Upload(positions), x, Rows, Columns);
        float[] expected = [.. Enumerable.Range(0, Tiles).SelectMany(tile => patches[(tile * (Rows - 1) * Columns)..((tile + 1) * (Rows - 1) * Columns)].Concat(token).Select((value, i) => value + positions[i]))];
        Assert.Equal(expected, Floats(x));
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(10, 2)]
    public void AttentionWithinTiles(int tokens, int heads)
    {
        int d = N, columns = 3 * heads * d;
        const int Tiles = 2;
        float[] qkv = Numbers(Tiles * tokens * columns, 54, 2f), angles = Numbers(tokens * d, 55);
        DeviceBuffer qkvs = _device.Upload(qkv), output = Zeros<float>(Tiles * tokens * heads * d);
        Run("rotate_pairs", (Tiles * tokens, 2 * heads, 1), qkvs, _device.Upload(angles), tokens, columns, d);
        double[] rotated = Array.ConvertAll(qkv, value => (double)value);
        for (int row = 0; row < Tiles * tokens; row++)
        {
            for (int head = 0; head < 2 * heads; head++)
            {
                AttentionOracle.Rotate(qkv.AsSpan(row * columns + head * d, d), angles.AsSpan(row % tokens * d, d)).CopyTo(rotated, row * columns + head * d);
            }
        }
        float[] rounded = Floats(qkvs);
        Closeness.Check(rotated, rounded, 3e-7);
        Run("vision_attention", ((tokens + 7) / 8, heads, Tiles), qkvs, output, tokens, heads, d);
        double[] expected = [.. Enumerable.Range(0, Tiles * tokens * heads).SelectMany(i =>
        {
            int row = i / heads, head = i % heads, first = row / tokens * tokens;
            return AttentionOracle.Attend(rounded.AsSpan(row * columns + head * d, d), tokens,
                (key, c) => rounded[(first + key) * columns + (heads + head) * d + c],
                (key, c) => rounded[(first + key) * columns + (2 * heads + head) * d + c]);
        })];
        Closeness.Check(expected, Floats(output), 1e-6);
    }

    [Fact]
    public void PixelsAreShuffled()
    {
        const int Tiles = 2, Grid = 4, Columns = 3, Half = Grid / 2;
        float[] x = Numbers(Tiles * (Grid * Grid + 1) * Columns, 56);
        DeviceBuffer output = Zeros<float>(Tiles * Half * Half * 4 * Columns);
        Run("pixel_shuffle", (Tiles * Half * Half, 1, 1), _device.Upload(x), output, Grid, Columns);
        float[] actual = Floats(output);
        for (int tile = 0; tile < Tiles; tile++)
        {
            for (int i = 0; i < Grid * Grid * Columns; i++)
            {
                int row = i / Columns / Grid, column = i / Columns % Grid, c = i % Columns;
                int merged = tile * Half * Half + row / 2 * Half + column / 2;
                Assert.Equal(x[tile * (Grid * Grid + 1) * Columns + i], actual[(merged * 4 + 2 * (row % 2) + column % 2) * Columns + c]);
            }
        }
    }
}
