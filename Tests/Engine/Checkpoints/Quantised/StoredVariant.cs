using System.Globalization;
using System.Runtime.InteropServices;
using Llama4Kernels.Engine.Checkpoints.SafeTensors;

namespace Llama4Kernels.Tests.Engine.Checkpoints.Quantised;

/// <summary>
/// A way of storing a linear layer, written by its definition: random codes and scales become tensors, and the numbers that they
/// stand for. Nothing is quantised, so that no encoder of the engine has a part in it.
/// </summary>
/// <param name="Name">What it is.</param>
/// <param name="Config">The quantization_config, or MLX's object; null for none.</param>
/// <param name="Store">Tensors of a module [rows, columns] and its numbers.</param>
internal sealed record StoredVariant(string Name, string? Config, Func<StoredModule, float[]> Store)
{
    /// <summary>compressed-tensors' packed integers; a group of 0 is a row.</summary>
    public static StoredVariant Packed(int bits, int group, bool zeros, SafeTensorsType scaleType, string order = "null", bool unusedOrder = false) => new(
        $"pack {bits} bits, group {group}, {(zeros ? "zero points" : "symmetric")}, {scaleType}",
        CompressedTensors("pack-quantized", "int", bits, group > 0 ? "group" : "channel", group > 0 ? group.ToString(CultureInfo.InvariantCulture) : "null", !zeros, order),
        m =>
        {
            int columns = group > 0 ? group : m.Columns, groups = m.Columns / columns, half = 1 << (bits - 1);
            byte[] codes = m.Codes(m.Rows * m.Columns, bits), zero = m.Codes(m.Rows * groups, bits);
            float[] scales = m.Scales(m.Rows * groups, 1f / half, scaleType);
            m.Add(".weight_packed", SafeTensorsType.I32, [m.Rows, Words(m.Columns, bits)], Rows(codes, m.Rows, m.Columns, bits));
            m.Add(".weight_scale", scaleType, [m.Rows, groups], Bytes(scales, scaleType));
            m.Add(".weight_shape", SafeTensorsType.I64, [2], MemoryMarshal.AsBytes<long>([m.Rows, m.Columns]).ToArray());
            if (zeros)
            {
                // Packed down the columns: a word has the zero points of neighbouring rows.
                byte[] down = [.. from g in Enumerable.Range(0, groups) from r in Enumerable.Range(0, m.Rows) select zero[r * groups + g]];
                uint[] across = MemoryMarshal.Cast<byte, uint>(Rows(down, groups, m.Rows, bits)).ToArray();
                int words = Words(m.Rows, bits);
                m.Add(".weight_zero_point", SafeTensorsType.I32, [words, groups], MemoryMarshal.AsBytes<uint>([.. from w in Enumerable.Range(0, words) from g in Enumerable.Range(0, groups) select across[g * words + w]]).ToArray());
            }
            if (unusedOrder)
            {
                m.Add(".weight_g_idx", SafeTensorsType.I32, [m.Columns], MemoryMarshal.AsBytes<int>([.. Enumerable.Repeat(-1, m.Columns)]).ToArray());
            }
            return m.Numbers((r, c) => (codes[r * m.Columns + c] - (zeros ? zero[r * groups + c / columns] : half)) * scales[r * groups + c / columns]);
        });

    /// <summary>compressed-tensors' bytes with a scale for each row, or one.</summary>
    public static StoredVariant SignedBytes(bool zeros, bool whole, SafeTensorsType scaleType) => new(
        $"bytes, {(whole ? "one scale" : "row scales")}, {(zeros ? "zero points" : "symmetric")}, {scaleType}",
        CompressedTensors("int-quantized", "int", 8, whole ? "tensor" : "channel", "null", !zeros),
        m =>
        {
            int count = whole ? 1 : m.Rows;
            byte[] codes = m.Codes(m.Rows * m.Columns, 8), zero = m.Codes(count, 6);
            float[] scales = m.Scales(count, 1f / 128, scaleType);
            m.Add(".weight", SafeTensorsType.I8, [m.Rows, m.Columns], codes);
            m.Add(".weight_scale", scaleType, whole ? [1] : [m.Rows, 1], Bytes(scales, scaleType));
            if (zeros)
            {
                m.Add(".weight_zero_point", SafeTensorsType.I8, whole ? [1] : [m.Rows, 1], zero);
            }
            return m.Numbers((r, c) => ((sbyte)codes[r * m.Columns + c] - (zeros ? zero[r % count] : 0)) * scales[r % count]);
        });

    /// <summary>E4M3 with a scale for each block; a block of 0 rows or columns is all of them.</summary>
    public static StoredVariant Fp8(int blockRows, int blockColumns, SafeTensorsType scaleType) => new(
        $"fp8 in blocks {blockRows} x {blockColumns}, {scaleType}",
        CompressedTensors("float-quantized", "float", 8, blockColumns > 0 ? "block" : blockRows == 1 ? "channel" : "tensor", blockColumns > 0 ? $"null, \"block_structure\": [{blockRows}, {blockColumns}]" : "null", true),
        m =>
        {
            int height = blockRows > 0 ? blockRows : m.Rows, width = blockColumns > 0 ? blockColumns : m.Columns;
            int down = (m.Rows + height - 1) / height, across = (m.Columns + width - 1) / width;
            // 7f and ff are NaN.
            byte[] codes = Array.ConvertAll(m.Codes(m.Rows * m.Columns, 8), code => (code & 0x7f) == 0x7f ? (byte)(code - 1) : code);
            float[] scales = m.Scales(down * across, 1f / 448, scaleType);
            m.Add(".weight", SafeTensorsType.F8_E4M3, [m.Rows, m.Columns], codes);
            m.Add(".weight_scale", scaleType, down * across == 1 && blockColumns == 0 ? [1] : [down, across], Bytes(scales, scaleType));
            return m.Numbers((r, c) => E4M3(codes[r * m.Columns + c]) * scales[r / height * across + c / width]);
        });

    /// <summary>MLX's affine integers.</summary>
    public static StoredVariant Mlx(int bits, int group, SafeTensorsType scaleType) => new(
        $"mlx {bits} bits, group {group}, {scaleType}",
        $$"""{"bits": {{bits}}, "group_size": {{group}} }""",
        m =>
        {
            int groups = m.Columns / group;
            byte[] codes = m.Codes(m.Rows * m.Columns, bits);
            float[] scales = m.Scales(m.Rows * groups, 1f / (1 << (bits - 1)), scaleType);
            float[] offsets = Array.ConvertAll(scales, scale => Rounded(-scale * (1 << (bits - 1)), scaleType));
            m.Add(".weight", SafeTensorsType.U32, [m.Rows, Words(m.Columns, bits)], Rows(codes, m.Rows, m.Columns, bits));
            m.Add(".scales", scaleType, [m.Rows, groups], Bytes(scales, scaleType));
            m.Add(".biases", scaleType, [m.Rows, groups], Bytes(offsets, scaleType));
            return m.Numbers((r, c) => MathF.FusedMultiplyAdd(codes[r * m.Columns + c], scales[r * groups + c / group], offsets[r * groups + c / group]));
        });

    /// <summary>Numbers as they are stored.</summary>
    public static byte[] Bytes(float[] values, SafeTensorsType type) => type switch
    {
        SafeTensorsType.F32 => MemoryMarshal.AsBytes(values.AsSpan()).ToArray(),
        SafeTensorsType.F16 => MemoryMarshal.AsBytes(Array.ConvertAll(values, value => (Half)value).AsSpan()).ToArray(),
        _ => MemoryMarshal.AsBytes(Array.ConvertAll(values, value => (ushort)(BitConverter.SingleToUInt32Bits(value) >> 16)).AsSpan()).ToArray(),
    };

    /// <summary>The number of a type below a value.</summary>
    public static float Rounded(float value, SafeTensorsType type) => type switch
    {
        SafeTensorsType.F32 => value,
        SafeTensorsType.F16 => (float)(Half)value,
        _ => BitConverter.UInt32BitsToSingle(BitConverter.SingleToUInt32Bits(value) & 0xffff0000),
    };

    /// <inheritdoc/>
    public override string ToString() => Name;

    private static string CompressedTensors(string format, string type, int bits, string strategy, string group, bool symmetric, string order = "null") =>
        $$$"""
        {"quant_method": "compressed-tensors", "format": "{{{format}}}", "ignore": ["lm_head", "re:.*router"], "config_groups": {"group_0": {"targets": ["Linear"],
         "weights": {"type": "{{{type}}}", "num_bits": {{{bits}}}, "strategy": "{{{strategy}}}", "group_size": {{{group}}}, "symmetric": {{{(symmetric ? "true" : "false")}}}, "actorder": {{{order}}} } } } }
        """;

    private static int Words(int columns, int bits) => (columns * bits + 31) / 32;

    private static byte[] Rows(byte[] codes, int rows, int columns, int bits)
    {
        int words = Words(columns, bits);
        uint[] packed = new uint[rows * words];
        for (int i = 0; i < codes.Length; i++)
        {
            packed[i / columns * words + i % columns * bits / 32] |= (uint)codes[i] << (i % columns * bits % 32);
        }
        return MemoryMarshal.AsBytes(packed.AsSpan()).ToArray();
    }

    private static float E4M3(byte code)
    {
        int exponent = code >> 3 & 15, mantissa = code & 7;
        double value = exponent == 0 ? mantissa / 8.0 * Math.Pow(2, -6) : (1 + mantissa / 8.0) * Math.Pow(2, exponent - 7);
        return (float)(code >= 128 ? -value : value);
    }
}

/// <summary>A linear layer that is to be stored.</summary>
/// <param name="Name">Its name, without an ending.</param>
/// <param name="Rows">Output features.</param>
/// <param name="Columns">Input features.</param>
/// <param name="Random">Where codes and scales come from.</param>
/// <param name="Tensors">Takes the tensors.</param>
internal sealed record StoredModule(string Name, int Rows, int Columns, Random Random, List<SafeTensorsEntry> Tensors)
{
    public void Add(string end, SafeTensorsType type, long[] shape, byte[] bytes) => Tensors.Add(SafeTensorsEntry.FromBytes(Name + end, type, shape, bytes));

    /// <summary>Adds a tensor of as many rows whose bytes are all 0x3c: small positive numbers in every type of floats.</summary>
    public StoredModule Filled(string end, SafeTensorsType type, int columns)
    {
        byte[] row = new byte[columns * type.Bits() / 8];
        Array.Fill(row, (byte)0x3c);
        Tensors.Add(new SafeTensorsEntry(Name + end, type, [Rows, columns], stream =>
        {
            for (int i = 0; i < Rows; i++)
            {
                stream.Write(row);
            }
        }));
        return this;
    }

    public byte[] Codes(int count, int bits) => [.. Enumerable.Range(0, count).Select(_ => (byte)Random.Next(1 << bits))];

    /// <summary>Positive numbers of a type, so that a code of 1 / <paramref name="unit"/> stands for about √(3 / columns).</summary>
    public float[] Scales(int count, float unit, SafeTensorsType type) =>
        [.. Enumerable.Range(0, count).Select(_ => StoredVariant.Rounded(MathF.Sqrt(3f / Columns) * unit * (0.5f + Random.NextSingle()), type))];

    public float[] Numbers(Func<int, int, float> of) => [.. from row in Enumerable.Range(0, Rows) from column in Enumerable.Range(0, Columns) select of(row, column)];
}
