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

    /// <summary>Types of four bits read words as they are packed from codes, whole pieces and the last one of a row.</summary>
    [Fact]
    public void LinesAreThoseOfTheCodes()
    {
        byte* codes = stackalloc byte[CodePiece.CodeBytes], lines = stackalloc byte[CodePiece.CodeBytes], words = stackalloc byte[CodePiece.CodeBytes];
        byte* numbers = stackalloc byte[CodePiece.NumberBytes], others = stackalloc byte[CodePiece.NumberBytes];
        Assert.All(GgufBlockType.All, type => Assert.Equal(type.Format.Bits == 4, type.ReadLines is not null));
        foreach (GgufBlockType type in GgufBlockType.All.Where(type => type.ReadLines is not null))
        {
            int columns = type.Columns == 32 ? 416 : 512;
            using var stored = new RandomCodes(type.Name, 3, columns, seed: 12);
            for (int column = 0; column < columns;)
            {
                CodePiece piece = CodePiece.Containing(type.Format, columns, column);
                new Span<byte>(numbers, CodePiece.NumberBytes).Clear();
                new Span<byte>(others, CodePiece.NumberBytes).Clear();
                stored.Matrix.ReadCodes(2, piece, CodePiece.Row(codes, numbers));
                CodeLines.Pack(4, codes, piece.Count, (uint*)words);
                stored.Matrix.ReadLines(2, piece, CodePiece.Row(lines, others));
                Assert.Equal(new ReadOnlySpan<byte>(words, piece.Count / 2).ToArray(), new ReadOnlySpan<byte>(lines, piece.Count / 2).ToArray());
                Assert.Equal(new ReadOnlySpan<byte>(numbers, CodePiece.NumberBytes).ToArray(), new ReadOnlySpan<byte>(others, CodePiece.NumberBytes).ToArray());
                column = piece.End;
            }
        }
        using RandomCodes eight = new("Q8_0", 1, 32, seed: 13), integers = new("int4g32-bf16", 1, 32, seed: 14);
        Assert.False(eight.Matrix.HasLines || integers.Matrix.HasLines);
        Assert.Throws<NotSupportedException>(() => integers.Matrix.ReadLines(0, default, default));
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
