using System.Runtime.InteropServices;
using System.Text;

namespace Llama4Kernels.Benchmarks.Peers;

/// <summary>
/// An ONNX file of one MatMulNBits, y [rows, outputs] = x [rows, inputs] · wᵀ with integers of four bits, a scale per 128 inputs
/// and x rounded to eight bits (accuracy level 4), as the operator of com.microsoft describes; fields by their numbers in onnx.proto3.
/// </summary>
internal static class OnnxProductModel
{
    /// <summary>Inputs that share a scale.</summary>
    public const int Group = 128;

    private const int Float = 1, Byte = 2, Integer = 2;

    /// <summary>The file.</summary>
    /// <param name="weights">w [outputs, inputs]; the largest of a group becomes 7 of 7.</param>
    /// <param name="outputs">Outputs.</param>
    /// <param name="inputs">Inputs, whole groups.</param>
    public static byte[] Write(ReadOnlySpan<float> weights, int outputs, int inputs)
    {
        byte[] codes = new byte[outputs * inputs / 2];
        float[] scales = new float[outputs * inputs / Group];
        for (int group = 0; group < scales.Length; group++)
        {
            ReadOnlySpan<float> own = weights.Slice(group * Group, Group);
            float largest = 0;
            foreach (float value in own)
            {
                largest = Math.Max(largest, Math.Abs(value));
            }
            scales[group] = largest / 7;
            for (int i = 0; i < Group; i++)
            {
                int code = largest == 0 ? 8 : (int)MathF.Round(own[i] / scales[group]) + 8;
                codes[((group * Group) + i) / 2] |= (byte)(code << (i % 2 * 4));
            }
        }
        var product = new Message();
        Array.ForEach(["x", "w", "scales"], name => product.Text(1, name));
        product.Text(2, "y").Text(4, "MatMulNBits").Text(7, "com.microsoft");
        foreach ((string name, int value) in (ReadOnlySpan<(string, int)>)[("K", inputs), ("N", outputs), ("bits", 4), ("block_size", Group), ("accuracy_level", 4)])
        {
            product.Inner(5, new Message().Text(1, name).Number(3, value).Number(20, Integer));
        }
        Message graph = new Message().Inner(1, product).Text(2, "product")
            .Inner(5, new Message().Number(1, outputs).Number(1, inputs / Group).Number(1, Group / 2).Number(2, Byte).Text(8, "w").Bytes(9, codes))
            .Inner(5, new Message().Number(1, scales.Length).Number(2, Float).Text(8, "scales").Bytes(9, MemoryMarshal.AsBytes(scales.AsSpan())))
            .Inner(11, Value("x", inputs)).Inner(12, Value("y", outputs));
        return new Message().Number(1, 8).Inner(7, graph)
            .Inner(8, new Message().Text(1, "").Number(2, 17)).Inner(8, new Message().Text(1, "com.microsoft").Number(2, 1)).ToArray();
    }

    private static Message Value(string name, int columns) => new Message().Text(1, name).Inner(2, new Message().Inner(1, new Message().Number(1, Float).Inner(2,
        new Message().Inner(1, new Message().Text(2, "rows")).Inner(1, new Message().Number(1, columns)))));

    /// <summary>A message of protocol buffers, field by field.</summary>
    private sealed class Message
    {
        private readonly MemoryStream _bytes = new();

        public Message Number(int field, long value)
        {
            Variable((ulong)field << 3);
            Variable((ulong)value);
            return this;
        }

        public Message Bytes(int field, ReadOnlySpan<byte> value)
        {
            Variable(((ulong)field << 3) | 2);
            Variable((ulong)value.Length);
            _bytes.Write(value);
            return this;
        }

        public Message Text(int field, string value) => Bytes(field, Encoding.UTF8.GetBytes(value));

        public Message Inner(int field, Message value) => Bytes(field, value.ToArray());

        public byte[] ToArray() => _bytes.ToArray();

        private void Variable(ulong value)
        {
            for (; value >= 0x80; value >>= 7)
            {
                _bytes.WriteByte((byte)(value | 0x80));
            }
            _bytes.WriteByte((byte)value);
        }
    }
}
