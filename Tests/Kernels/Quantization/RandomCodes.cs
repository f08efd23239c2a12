using System.Runtime.InteropServices;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Quantization;
using Llama4Kernels.Kernels.Quantization.Gguf;

namespace Llama4Kernels.Tests.Kernels.Quantization;

/// <summary>A stored matrix of random codes of a format, by name: of a GGUF type, or of integers or FP8 with groups.</summary>
internal sealed unsafe class RandomCodes : IDisposable
{
    private readonly Random _random;
    private readonly List<nint> _memory = [];

    public RandomCodes(string name, int rows, int columns, int seed)
    {
        _random = new Random(seed);
        Matrix = GgufBlockType.All.FirstOrDefault(type => type.Name == name) is { } type ? Blocks(type, rows, columns) : Integers(name, rows, columns);
    }

    public CodedMatrix Matrix { get; }

    /// <summary>All weights as the stored matrix reads them.</summary>
    public float[] Values()
    {
        float[] values = new float[Matrix.Rows * Matrix.Columns];
        fixed (float* to = values)
        {
            for (int row = 0; row < Matrix.Rows; row++)
            {
                Matrix.Read(row, 0, Matrix.Columns, to + row * Matrix.Columns);
            }
        }
        return values;
    }

    public void Dispose() => _memory.ForEach(memory => NativeMemory.Free((void*)memory));

    private GgufMatrix Blocks(GgufBlockType type, int rows, int columns)
    {
        int count = rows * (columns / type.Columns);
        byte* data = Bytes(count * type.Bytes);
        float* values = stackalloc float[type.Columns];
        for (int i = 0; i < count; i++)
        {
            // Halves are random bits as well: take other ones until the weights are of a usual size.
            var block = new Span<byte>(data + i * type.Bytes, type.Bytes);
            var single = new GgufMatrix((nint)(data + i * type.Bytes), type, 1, type.Columns);
            for (single.Read(0, 0, type.Columns, values); !Usual(new ReadOnlySpan<float>(values, type.Columns)); single.Read(0, 0, type.Columns, values))
            {
                _random.NextBytes(block);
            }
        }
        return new GgufMatrix((nint)data, type, rows, columns);
    }

    private static bool Usual(ReadOnlySpan<float> values)
    {
        foreach (float value in values)
        {
            if (!(Math.Abs(value) < 1e4f))
            {
                return false;
            }
        }
        return true;
    }

    private CodedMatrix Integers(string name, int rows, int columns)
    {
        // int4g32-bf16, uint8row-f32-zero, uint4g64-f16-affine, fp8g128-f32
        string[] parts = name.Split('-');
        int at = parts[0].IndexOfAny(['g', 'r']), group = parts[0][at] == 'r' ? 0 : int.Parse(parts[0][(at + 1)..], System.Globalization.CultureInfo.InvariantCulture);
        int bits = parts[0][at - 1] - '0';
        ElementType type = parts[1] switch { "f32" => ElementType.F32, "f16" => ElementType.F16, _ => ElementType.BF16 };
        int groups = group == 0 ? 1 : (columns + group - 1) / group;
        var scales = new GroupNumbers((nint)Numbers(type, rows * groups), type, groups);
        ScaleKind kind = scales.ScaleKind;
        if (parts[0][0] == 'f')
        {
            byte* codes = Bytes(rows * columns);
            for (int i = 0; i < rows * columns; i++)
            {
                codes[i] = (codes[i] & 0x7f) == 0x7f ? (byte)0 : codes[i];
            }
            return new BlockFp8Matrix((nint)codes, rows, columns, KeptFormats.Fp8Blocks(group, kind), scales);
        }
        long rowBytes = (columns * bits + 31) / 32 * 4;
        byte* data = Bytes(rows * (int)rowBytes);
        return parts.Length switch
        {
            2 => new IntegerMatrix((nint)data, rowBytes, rows, columns, KeptFormats.Integers(bits, group, kind, OffsetKind.None), scales),
            _ when parts[2] == "zero" => new IntegerMatrix(
                (nint)data, rowBytes, rows, columns, KeptFormats.Integers(bits, group, kind, OffsetKind.Zero), scales,
                new GroupNumbers((nint)Bytes((rows * bits + 31) / 32 * groups * 4), null, groups, Bits: bits)),
            _ => new IntegerMatrix(
                (nint)data, rowBytes, rows, columns, KeptFormats.Integers(bits, group, kind, OffsetKind.Added), scales, new GroupNumbers((nint)Numbers(type, rows * groups), type, groups)),
        };
    }

    private byte* Bytes(int count)
    {
        byte* data = (byte*)NativeMemory.Alloc((nuint)count);
        _memory.Add((nint)data);
        _random.NextBytes(new Span<byte>(data, count));
        return data;
    }

    private byte* Numbers(ElementType type, int count)
    {
        byte* data = Bytes(count * type.Size());
        for (int i = 0; i < count; i++)
        {
            float number = (_random.NextSingle() - 0.5f) / 8;
            switch (type)
            {
                case ElementType.F32:
                    ((float*)data)[i] = number;
                    break;
                case ElementType.F16:
                    ((Half*)data)[i] = (Half)number;
                    break;
                default:
                    ((ushort*)data)[i] = Bf16.FromSingle(number);
                    break;
            }
        }
        return data;
    }
}
