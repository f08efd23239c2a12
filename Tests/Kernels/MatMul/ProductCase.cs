using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Quantization.Gguf;
using Llama4Kernels.Tests.Kernels.Quantization;
using Llama4Kernels.Tests.Oracles;

namespace Llama4Kernels.Tests.Kernels.MatMul;

/// <summary>A random weight matrix stored in a format, so that packing changes no number, with the numbers that it stands for.</summary>
internal sealed class ProductCase : IDisposable
{
    private readonly Random _random;
    private readonly int _inner;
    private readonly IDisposable? _owned;

    private ProductCase(MatrixSource source, float[] weights, Random random, IDisposable? owned)
    {
        (Source, Weights, _inner, _random, _owned) = (source, weights, source.Columns, random, owned);
        Bias = Numbers(source.Rows);
    }

    public MatrixSource Source { get; }

    /// <summary>[out, in]</summary>
    public float[] Weights { get; }

    /// <summary>[out]</summary>
    public float[] Bias { get; }

    public static ProductCase Of(WeightFormat format, int outputs, int inner, int seed)
    {
        var random = new Random(seed);
        int count = outputs * inner;
        var pinned = new PinnedArrays();
        if (format.Encoding == WeightEncoding.Float32)
        {
            float[] numbers = pinned.Make<float>(count, _ => random.NextSingle() * 2 - 1);
            return new ProductCase(MatrixSource.RowMajor(PinnedArrays.Address(numbers), ElementType.F32, outputs, inner), numbers, random, pinned);
        }
        if (format.Encoding == WeightEncoding.BFloat16)
        {
            ushort[] bits = pinned.Make(count, _ => Bf16.FromSingle(random.NextSingle() * 2 - 1));
            return new ProductCase(MatrixSource.RowMajor(PinnedArrays.Address(bits), ElementType.BF16, outputs, inner), [.. bits.Select(Bf16.ToSingle)], random, pinned);
        }
        if (format.Encoding == WeightEncoding.E4M3 && format.GroupColumns == 0)
        {
            byte[] codes = pinned.Make(count, _ => (byte)(random.Next(0x7f) | random.Next(2) << 7));
            float[] scales = pinned.Make<float>(outputs, _ => random.NextSingle() + 0.5f);
            var stored = new StridedMatrix(PinnedArrays.Address(codes), ElementType.F8E4M3, outputs, inner, inner, 1, PinnedArrays.Address(scales), ElementType.F32);
            return new ProductCase(stored, [.. codes.Select((code, i) => (float)QuantizationOracle.Fp8Value(code) * scales[i / inner])], random, pinned);
        }
        string name = format == WeightFormat.Int4 ? "int4g128-f32" : GgufBlockType.All.FirstOrDefault(type => type.Name.Equals(format.Name, StringComparison.OrdinalIgnoreCase))?.Name ?? format.Name;
        var random4 = new RandomCodes(name, outputs, inner, seed);
        return new ProductCase(random4.Matrix, random4.Values(), random, random4);
    }

    /// <summary>Rows of x: [rows, in].</summary>
    public float[] Rows(int rows) => Numbers(rows * _inner);

    public void Dispose() => _owned?.Dispose();

    private float[] Numbers(int count) => [.. Enumerable.Range(0, count).Select(_ => _random.NextSingle() * 2 - 1)];
}
