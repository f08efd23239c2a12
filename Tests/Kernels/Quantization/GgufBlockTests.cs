using Llama4Kernels.Engine.Checkpoints.SafeTensors;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Quantization;
using Llama4Kernels.Kernels.Quantization.Gguf;
using Llama4Kernels.Tests.Oracles;

namespace Llama4Kernels.Tests.Kernels.Quantization;

/// <summary>Every block type against values of the format's own tool, to the bit, and against the definition.</summary>
public sealed unsafe class GgufBlockTests : IDisposable
{
    private readonly SafeTensorsFile _golden = SafeTensorsFile.Open(GoldenFiles.Path("gguf", "blocks.safetensors"));

    public static TheoryData<string> Types => [.. GgufBlockType.All.Select(type => type.Name)];

    public static TheoryData<string> Written => [.. GgufBlockEncoder.Types];

    [Theory]
    [MemberData(nameof(Types))]
    public void RandomBlocksHaveTheReferenceValuesToTheBit(string name)
    {
        byte[] bytes = _golden.ReadBytes($"{name}.random.bytes");
        float[] expected = _golden.ReadFloats($"{name}.random.values"), actual = Decode(name, bytes);
        SameBits(expected, actual);
        GgufBlockType type = GgufBlockType.All.Single(type => type.Name == name);
        for (int i = 0; i < actual.Length; i++)
        {
            double exact = GgufBlockOracle.Value(name, bytes.AsSpan(i / type.Columns * type.Bytes, type.Bytes), i % type.Columns);
            Assert.True(exact.Equals(actual[i]) || (float)exact == actual[i] || (double.IsNaN(exact) && float.IsNaN(actual[i])), $"{i}: {actual[i]:R}, exactly {exact:R}");
        }
    }

    [Theory]
    [MemberData(nameof(Written))]
    public void WeightsBecomeTheReferenceBytesAndThoseTheReferenceValues(string name)
    {
        TensorInfo stored = _golden.Get($"{name}.weights");
        int columns = (int)stored.Shape[1];
        float[] weights = _golden.ReadFloats(stored.Name);
        byte[] bytes = [.. weights.Chunk(columns).SelectMany(row => GgufBlockEncoder.Encode(name, row))];
        Assert.Equal(_golden.ReadBytes($"{name}.quantised.bytes"), bytes);
        SameBits(_golden.ReadFloats($"{name}.quantised.values"), name switch
        {
            "F16" => [.. bytes.Chunk(2).Select(pair => (float)BitConverter.ToHalf(pair))],
            "BF16" => [.. bytes.Chunk(2).Select(pair => Bf16.ToSingle(BitConverter.ToUInt16(pair)))],
            _ => Decode(name, bytes),
        });
    }

    [Fact]
    public void ATypeHasTheSizeThatItsFormatKeepsWithinATenth()
    {
        foreach (GgufBlockType type in GgufBlockType.All)
        {
            WeightFormat format = type.Format;
            int groups = type.Columns / format.GroupColumns;
            int kept = type.Columns * format.Bits / 8 + groups * (format.GroupScaleBytes + format.GroupOffsetBytes) + format.Halves * 2;
            Assert.InRange(kept, type.Bytes, type.Bytes * 1.1);
        }
    }

    public void Dispose() => _golden.Dispose();

    private static void SameBits(float[] expected, float[] actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (int i = 0; i < expected.Length; i++)
        {
            bool same = BitConverter.SingleToUInt32Bits(expected[i]) == BitConverter.SingleToUInt32Bits(actual[i]) || (float.IsNaN(expected[i]) && float.IsNaN(actual[i]));
            Assert.True(same, $"{i}: {actual[i]:R}, expected {expected[i]:R}");
        }
    }

    private static float[] Decode(string name, byte[] bytes)
    {
        GgufBlockType type = GgufBlockType.All.Single(type => type.Name == name);
        WeightFormat format = type.Format;
        byte* codes = stackalloc byte[256], scales = stackalloc byte[32], offsets = stackalloc byte[32];
        ushort* supers = stackalloc ushort[2];
        var row = new CodeRow(codes, scales, offsets, supers);
        List<float> values = [];
        fixed (byte* data = bytes)
        {
            // As rows are taken apart: up to 256 columns at once.
            int blocks = bytes.Length / type.Bytes;
            for (int block = 0, count; block < blocks; block += count)
            {
                count = Math.Min(256 / type.Columns, blocks - block);
                type.Read(data + block * type.Bytes, count, row);
                for (int c = 0; c < count * type.Columns; c++)
                {
                    int group = c / format.GroupColumns;
                    (float scale, float offset) = row.Parameters(format, group);
                    values.Add(format.Weight(format.Value(codes[c]), scale, offset));
                }
            }
        }
        return [.. values];
    }
}
