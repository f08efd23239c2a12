using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Tests.Kernels.Backends;

/// <summary>
/// Every operation on tensors that end at an inaccessible page, at widths around the vector sizes. The results are checked
/// by each room's own tests; here a step beyond a tensor's end would end the process.
/// </summary>
public sealed unsafe class GuardPageTests : IDisposable
{
    private readonly List<IDisposable> _owned = [];
    private readonly Random _random = new(3);

    public static TheoryData<int, ActivationPrecision> Cases()
    {
        var data = new TheoryData<int, ActivationPrecision>();
        foreach (int width in (int[])[2, 6, 14, 16, 18, 30, 34, 62, 66, 130])
        {
            data.Add(width, ActivationPrecision.Float32);
            data.Add(width, ActivationPrecision.BFloat16);
        }
        return data;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void NoOperationStepsBeyondItsTensors(int width, ActivationPrecision precision)
    {
        foreach (int rows in (int[])[1, 3, 13])
        {
            using var backend = new CpuBackend(new CpuBackendOptions { Threads = 2, Precision = precision });
            Tensor x = Guarded(rows, width), y = Guarded(rows, width), one = Guarded(1, width), gateUp = Guarded(rows, 2 * width);
            backend.RmsNorm(x, one, 1e-5f, y);
            backend.LayerNorm(x, one, one, 1e-5f, y);
            backend.Gelu(y);
            backend.Add(x, y);
            backend.SwiGlu(gateUp, y);
            MatMulAndExperts(backend, rows, width, x, y);
            Attention(backend, rows, width, precision == ActivationPrecision.BFloat16 ? KvFormat.BF16 : KvFormat.F32);
            Vision(backend, width);
            float[] last = new float[width];
            backend.Download(y.Slice(rows - 1, 1), last);
            Assert.All(last, v => Assert.True(float.IsFinite(v)));
        }
    }

    public void Dispose() => _owned.ForEach(item => item.Dispose());

    private void MatMulAndExperts(CpuBackend backend, int rows, int width, Tensor x, Tensor y)
    {
        foreach (ElementType type in (ElementType[])[ElementType.BF16, ElementType.F32])
        {
            using IMatrix square = Matrix(backend, type, width, width), stacked = Matrix(backend, type, 2 * width, width), router = Matrix(backend, type, 3, width);
            backend.Linear(x, square, Guarded(1, width), y);
            Tensor logits = Guarded(rows, 3);
            backend.Linear(x, router, null, logits);
            using Routing routing = backend.CreateRouting(rows, 3, 2);
            backend.RouteTopK(logits, routing);
            var expert = new ExpertWeights(stacked, square);
            backend.ExpertFeedForward(x, routing, [expert, expert, expert], y);
        }
        using IEmbedding table = backend.CreateEmbedding(MatrixSource.RowMajor(Bits(5 * width), ElementType.BF16, 5, width));
        backend.Embed(table, [.. Enumerable.Range(0, rows).Select(i => i % 5)], Guarded(rows, width));
    }

    private void Attention(CpuBackend backend, int rows, int dim, KvFormat format)
    {
        AttentionShape shape = new(4, 2, dim);
        KvLayout layout = backend.LayoutOf(64, 1, shape, format);
        var block = new GuardedMemory(layout.BlockBytes);
        _owned.Add(block);
        using KvStep step = backend.CreateKvStep(layout, block, 0, 1);
        step.Set(rows, rows == 0 ? [] : [new KvSegment(0, rows, 0, 0)], [0]);
        Tensor qkv = Guarded(rows, shape.QkvColumns), angles = Guarded(rows, dim), scales = Guarded(rows, 1);
        float[] frequencies = [.. Enumerable.Range(0, dim / 2).Select(i => 1f / (i + 1))];
        backend.RopeAngles(frequencies, [.. Enumerable.Range(0, rows)], angles);
        backend.QueryScales([.. Enumerable.Range(0, rows)], 0.1f, 4, scales);
        backend.RotateNormAndAppend(qkv, shape, angles, 1e-5f, scales, step, 0);
        backend.Attention(qkv, shape, step, 0, Guarded(rows, shape.QueryColumns));
    }

    private void Vision(CpuBackend backend, int dim)
    {
        const int Grid = 2, Tokens = Grid * Grid + 1;
        Tensor x = Guarded(2 * Tokens, 2 * dim);
        backend.UnfoldPatches(new ushort[2 * 3 * 8 * 8], 2, 3, 8, 4, Guarded(2 * Grid * Grid, 48));
        backend.AppendClassTokenAndPositions(Guarded(2 * Grid * Grid, 2 * dim), Guarded(1, 2 * dim), Guarded(Tokens, 2 * dim), 2, x);
        backend.VisionAttention(Guarded(2 * Tokens, 6 * dim), 2, 2, Guarded(Tokens, dim), x);
        backend.PixelShuffle(x, 2, Grid, Guarded(2, 8 * dim));
    }

    private Tensor Guarded(int rows, int columns)
    {
        var memory = new GuardedMemory((long)rows * columns * sizeof(float));
        _owned.Add(memory);
        foreach (ref float value in new Span<float>((void*)memory.Address, rows * columns))
        {
            value = _random.NextSingle() - 0.5f;
        }
        return new Tensor(memory.Address, rows, columns, ElementType.F32, MemoryPlace.Host);
    }

    private nint Bits(int count)
    {
        var memory = new GuardedMemory((long)count * sizeof(ushort));
        _owned.Add(memory);
        foreach (ref ushort value in new Span<ushort>((void*)memory.Address, count))
        {
            value = Bf16.FromSingle(_random.NextSingle() - 0.5f);
        }
        return memory.Address;
    }

    private IMatrix Matrix(CpuBackend backend, ElementType type, int rows, int columns) =>
        backend.Pack([MatrixSource.RowMajor(type == ElementType.BF16 ? Bits(rows * columns) : Guarded(rows, columns).Address, type, rows, columns)]);
}
