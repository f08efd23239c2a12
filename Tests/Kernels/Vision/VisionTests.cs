using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Threading;
using Llama4Kernels.Kernels.Vision;
using Llama4Kernels.Tests.Kernels.Backends;
using Llama4Kernels.Tests.Oracles;

namespace Llama4Kernels.Tests.Kernels.Vision;

public sealed class VisionTests
{
    [Fact]
    public void RotaryTableTurnsByColumnThenRowAndNotForTheClassToken()
    {
        float[] angles = VisionRope.Angles(24, 88, 10000f);
        Assert.Equal(577 * 88, angles.Length);
        const int row = 5, column = 17;
        int start = (24 * row + column) * 88;
        for (int pair = 0; pair < 44; pair++)
        {
            double frequency = Math.Pow(10000, -2.0 * (pair % 22) / 44);
            double angle = (pair < 22 ? column + 1 : row + 1) * frequency;
            Assert.Equal(Math.Cos(angle), angles[start + 2 * pair], 2e-6);
            Assert.Equal(Math.Sin(angle), angles[start + 2 * pair + 1], 2e-6);
            Assert.Equal(1f, angles[576 * 88 + 2 * pair]);
            Assert.Equal(0f, angles[576 * 88 + 2 * pair + 1]);
        }
        Assert.Throws<ArgumentException>(() => VisionRope.Angles(2, 6, 1e4f));
        Assert.Throws<ArgumentOutOfRangeException>(() => VisionRope.Angles(0, 8, 1e4f));
    }

    [Theory]
    [InlineData(1, 1, 8, 3)]
    [InlineData(2, 3, 24, 5)]
    [InlineData(1, 2, 88, 577)]
    [InlineData(3, 2, 10, 70)]
    public void AttentionAgreesWithTheOracle(int tiles, int heads, int dim, int tokens)
    {
        using var team = new ThreadTeam(2);
        using var scratch = new CpuScratch();
        int width = heads * dim;
        using HostTensor qkv = HostTensor.Random(tiles * tokens, 3 * width, 1, 2f);
        using HostTensor angles = HostTensor.Random(tokens, dim, 2);
        using var output = new HostTensor(tiles * tokens, width);
        float[] before = qkv.Values.ToArray();
        VisionAttention.Run(team, scratch, qkv.View, tiles, heads, angles.View, output.View);
        for (int tile = 0; tile < tiles; tile++)
        {
            for (int head = 0; head < heads; head++)
            {
                double[][] keys = [.. Enumerable.Range(0, tokens).Select(s => AttentionOracle.Rotate(
                    before.AsSpan((tile * tokens + s) * 3 * width + width + head * dim, dim), angles.Values.Slice(s * dim, dim)))];
                for (int row = 0; row < tokens; row += 1 + tokens / 5)
                {
                    int at = (tile * tokens + row) * 3 * width;
                    double[] query = AttentionOracle.Rotate(before.AsSpan(at + head * dim, dim), angles.Values.Slice(row * dim, dim));
                    double[] expected = AttentionOracle.Attend(
                        Array.ConvertAll(query, q => (float)q), tokens, (s, c) => keys[s][c],
                        (s, c) => before[(tile * tokens + s) * 3 * width + 2 * width + head * dim + c]);
                    Closeness.Check(expected, output.Values.Slice((tile * tokens + row) * width + head * dim, dim), 5e-6);
                }
            }
        }
    }

    [Fact]
    public void UnfoldsPatchesByChannelRowAndColumn()
    {
        using var team = new ThreadTeam(2);
        ushort[] pixels = new ushort[2 * 3 * 12 * 12];
        for (int i = 0; i < pixels.Length; i++)
        {
            pixels[i] = Bf16.FromSingle(i % 251);
        }
        using var output = new HostTensor(2 * 9, 3 * 16);
        PatchUnfold.Run(team, pixels, 2, 3, 12, 4, output.View);
        for (int i = 0; i < output.Values.Length; i++)
        {
            int patch = i / 48, tile = patch / 9, py = patch % 9 / 3, px = patch % 3;
            int channel = i % 48 / 16, y = i % 16 / 4, x = i % 4;
            Assert.Equal((float)((((tile * 3 + channel) * 12 + py * 4 + y) * 12 + px * 4 + x) % 251), output.Values[i]);
        }
        Assert.Throws<ArgumentException>(() => PatchUnfold.Run(team, pixels, 2, 3, 12, 5, output.View));
        Assert.Throws<ArgumentException>(() => PatchUnfold.Run(team, pixels.AsSpan(1), 2, 3, 12, 4, output.View));
    }

    [Fact]
    public void ClassTokenComesLast()
    {
        using var team = new ThreadTeam(2);
        using HostTensor patches = HostTensor.Random(2 * 4, 7, 1);
        using HostTensor token = HostTensor.Random(1, 7, 2);
        using HostTensor positions = HostTensor.Random(5, 7, 3);
        using var x = new HostTensor(10, 7);
        ClassToken.Run(team, patches.View, token.View, positions.View, 2, x.View);
        for (int row = 0; row < 10; row++)
        {
            for (int c = 0; c < 7; c++)
            {
                float source = row % 5 == 4 ? token.Values[c] : patches.Values[(row / 5 * 4 + row % 5) * 7 + c];
                Assert.Equal(source + positions.Values[row % 5 * 7 + c], x.Values[row * 7 + c]);
            }
        }
        Assert.Throws<ArgumentException>(() => ClassToken.Run(team, patches.View, token.View, positions.View, 3, x.View));
    }

    [Fact]
    public void PixelShuffleFollowsItsFormula()
    {
        const int grid = 6, d = 5, tiles = 2;
        using var team = new ThreadTeam(2);
        using HostTensor x = HostTensor.Random(tiles * (grid * grid + 1), d, 1);
        using var output = new HostTensor(tiles * 9, 4 * d);
        PixelShuffle.Run(team, x.View, tiles, grid, output.View);
        for (int i = 0; i < output.Values.Length; i++)
        {
            int token = i / (4 * d), tile = token / 9, r = token % 9 / 3, q = token % 3;
            int part = i % (4 * d) / d, a = part / 2, b = part % 2;
            int source = tile * (grid * grid + 1) + (2 * r + a) * grid + 2 * q + b;
            Assert.Equal(x.Values[source * d + i % d], output.Values[i]);
        }
        Assert.Throws<ArgumentException>(() => PixelShuffle.Run(team, x.View, tiles, 5, output.View));
    }
}
