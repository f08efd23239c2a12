using System.Buffers.Binary;
using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Checkpoints;
using Llama4Kernels.Engine.Diagnostics;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Tests.Engine.Model;
using Llama4Kernels.Tests.Oracles;

namespace Llama4Kernels.Tests.Engine.Checkpoints.Gguf;

/// <summary>
/// The small checkpoint in the types that people download, against itself in float32. Rounded random weights flip routers, so
/// the distances are large; the bounds are twice what another engine has on the same weights over more positions.
/// </summary>
public sealed class GgufTypesTests : IDisposable
{
    private const int Tokens = 48;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Distances_from_float32_are_those_of_the_types()
    {
        float[] reference = Logits(0, TinyGguf.Bytes);
        // Type, general.file_type aside: number of the type, encoder, largest root mean square of the difference.
        (string Name, uint Type, Func<float[], byte[]> Encode, double Most)[] types =
        [
            ("F16", 1, values => GgufBlockEncoder.Encode("F16", values), 0.006),
            ("BF16", 30, values => GgufBlockEncoder.Encode("BF16", values), 0.42),
            ("Q8_0", 8, values => GgufBlockEncoder.Encode("Q8_0", values), 0.76),
            ("Q4_0", 2, values => GgufBlockEncoder.Encode("Q4_0", values), 2.18),
            ("Q4_K", 12, Q4K, 2.24),
        ];
        double before = 0;
        foreach ((string name, uint type, Func<float[], byte[]> encode, double most) in types)
        {
            float[] actual = Logits(type, encode);
            double distance = Math.Sqrt(actual.Zip(reference, (a, b) => ((double)a - b) * (a - b)).Average());
            TestContext.Current.TestOutputHelper?.WriteLine($"{name}: root mean square {distance:F4}, KL {Compare.MeanKl(actual, reference, TinyGguf.Vocabulary):F4}");
            Assert.True(distance > 0 && distance <= most, $"{name}: {distance}");
            Assert.True(distance >= before / 4, $"{name}: {distance}, the finer type before it has {before}");
            before = distance;
        }
    }

    [Fact]
    public void Types_that_need_tables_are_refused_by_name()
    {
        string path = _folder.File("tiny.gguf");
        TinyGguf.Write(path, 16, values => new byte[values.Length / 256 * 66], 0);
        Assert.Contains(
            "blk.0.attn_q.weight: is IQ2_XXS, a block type that this engine does not read; download the model in one of",
            Assert.Throws<ModelFormatException>(() => Checkpoint.Open(path)).Message, StringComparison.Ordinal);
    }

    private float[] Logits(uint type, Func<float[], byte[]> encode)
    {
        string path = _folder.File("tiny.gguf");
        TinyGguf.Write(path, type, encode, 0);
        using Llama4Model model = Llama4Model.Load(path);
        return ModelRunner.Run(model, TinyGguf.Tokens(Tokens), new RunOptions()).Logits;
    }

    // Plain rounding: scale and minimum of 32 weights in 6 bits each, their factors in half precision.
    private static byte[] Q4K(float[] values)
    {
        byte[] bytes = new byte[values.Length / 256 * 144];
        for (int b = 0; b < values.Length / 256; b++)
        {
            Block(values.AsSpan(b * 256, 256), bytes.AsSpan(b * 144, 144));
        }
        return bytes;
    }

    private static void Block(ReadOnlySpan<float> weights, Span<byte> block)
    {
        Span<float> scales = stackalloc float[8], offsets = stackalloc float[8];
        for (int j = 0; j < 8; j++)
        {
            float low = 0, high = float.MinValue;
            foreach (float weight in weights.Slice(32 * j, 32))
            {
                low = MathF.Min(low, weight);
                high = MathF.Max(high, weight);
            }
            (scales[j], offsets[j]) = ((high - low) / 15f, -low);
        }
        float largest = Max(scales), deepest = Max(offsets);
        Half d = (Half)(largest / 63f), dmin = (Half)(deepest / 63f);
        BinaryPrimitives.WriteHalfLittleEndian(block, d);
        BinaryPrimitives.WriteHalfLittleEndian(block[2..], dmin);
        Span<byte> s = stackalloc byte[8], m = stackalloc byte[8], q = stackalloc byte[256];
        for (int j = 0; j < 8; j++)
        {
            s[j] = (byte)(largest > 0 ? Math.Min(63, (int)MathF.Round(63f * scales[j] / largest)) : 0);
            m[j] = (byte)(deepest > 0 ? Math.Min(63, (int)MathF.Round(63f * offsets[j] / deepest)) : 0);
            float scale = (float)d * s[j], offset = (float)dmin * m[j], inverse = scale != 0 ? 1f / scale : 0;
            for (int i = 32 * j; i < 32 * j + 32; i++)
            {
                q[i] = (byte)Math.Clamp((int)MathF.Round((weights[i] + offset) * inverse), 0, 15);
            }
        }
        for (int j = 0; j < 4; j++)
        {
            block[4 + j] = (byte)(s[j] | ((s[j + 4] >> 4) << 6));
            block[8 + j] = (byte)(m[j] | ((m[j + 4] >> 4) << 6));
            block[12 + j] = (byte)((s[j + 4] & 15) | ((m[j + 4] & 15) << 4));
            for (int i = 0; i < 32; i++)
            {
                block[16 + 32 * j + i] = (byte)(q[64 * j + i] | (q[64 * j + 32 + i] << 4));
            }
        }
    }

    private static float Max(ReadOnlySpan<float> values)
    {
        float most = 0;
        foreach (float value in values)
        {
            most = MathF.Max(most, value);
        }
        return most;
    }
}
