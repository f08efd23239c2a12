using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Quantization;

namespace Llama4Kernels.Cli.Devices;

/// <summary>Memory and weights of one operation on one backend; seeded, so that every backend gets the same numbers.</summary>
internal sealed unsafe class ProbeScope(IBackend backend) : IDisposable
{
    private readonly Random _random = new(20);
    private readonly Stack<IDisposable> _owned = new();

    public IBackend Backend => backend;

    /// <summary>Uniform in ±scale.</summary>
    public float[] Numbers(int count, float scale = 1f)
    {
        var values = new float[count];
        for (int i = 0; i < count; i++)
        {
            values[i] = (_random.NextSingle() * 2 - 1) * scale;
        }
        return values;
    }

    public Tensor Input(int rows, int columns, float scale = 1f) => Input(rows, columns, Numbers(rows * columns, scale));

    public Tensor Input(int rows, int columns, float[] values)
    {
        Tensor tensor = Empty(rows, columns);
        backend.Upload(values, tensor);
        return tensor;
    }

    public Tensor Empty(int rows, int columns) => Own(backend.Allocate((long)rows * columns * sizeof(float))).View(rows, columns);

    public T Own<T>(T item)
        where T : IDisposable
    {
        _owned.Push(item);
        return item;
    }

    /// <summary>A weight matrix of bf16 numbers, packed in a format; Stored leaves it bf16.</summary>
    public IMatrix Weight(int rows, int columns, WeightFormat format) => Stack(1, rows, columns, format)[0];

    public IMatrix[] Stack(int count, int rows, int columns, WeightFormat format)
    {
        ushort[] values = Halves(count * rows * columns);
        fixed (ushort* p = values)
        {
            nint data = (nint)p;
            IMatrix[] packed = backend.PackStack(count, i =>
                ([MatrixSource.RowMajor(data + (nint)((long)i * rows * columns * sizeof(ushort)), ElementType.BF16, rows, columns)], format));
            foreach (IMatrix matrix in packed)
            {
                Own(matrix);
            }
            return packed;
        }
    }

    /// <summary>A weight matrix of random codes with scales of bf16, as files have them.</summary>
    public IMatrix Codes(int rows, int columns, WeightFormat format)
    {
        int groups = columns / format.GroupColumns, rowBytes = (int)format.CodeBytes(columns);
        byte[] codes = new byte[rows * rowBytes];
        _random.NextBytes(codes);
        ushort[] scales = Halves(rows * groups), offsets = Halves(rows * groups);
        fixed (byte* data = codes)
        fixed (ushort* scale = scales, offset = offsets)
        {
            GroupNumbers Numbers(ushort* numbers) => new((nint)numbers, ElementType.BF16, groups);
            return Own(backend.Pack([new IntegerMatrix((nint)data, rowBytes, rows, columns, format, Numbers(scale), Numbers(offset))]));
        }
    }

    public ushort[] Halves(int count) => [.. Numbers(count, 0.1f).Select(Bf16.FromSingle)];

    public float[] Read(Tensor tensor)
    {
        var values = new float[tensor.Elements];
        backend.Download(tensor, values);
        return values;
    }

    public void Dispose()
    {
        while (_owned.TryPop(out IDisposable? item))
        {
            item.Dispose();
        }
    }
}
