using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.MatMul;

namespace Llama4Kernels.Cli.Devices;

/// <summary>An operation with its data on one backend.</summary>
/// <param name="Run">Executes it; may be called again.</param>
/// <param name="Output">What it writes.</param>
internal readonly record struct PreparedProbe(Action Run, Tensor Output);

/// <summary>An operation of the forward pass at one size, which any backend can run.</summary>
/// <param name="Name">The operation and its size.</param>
/// <param name="Tolerance">Largest difference of two backends as a share of the output's range.</param>
/// <param name="Bytes">Bytes that it must read and write at least.</param>
/// <param name="Prepare">Makes its data on the backend.</param>
internal sealed record OperationProbe(string Name, double Tolerance, long Bytes, Func<ProbeScope, PreparedProbe> Prepare)
{
    private const double Sums = 1e-5;
    private const double RoundedCache = 1e-4;
    private const double RoundedActivations = 1e-2;
    private const int Hidden = 512;
    private const int Blocks = 8;

    /// <summary>Every operation; sizes are small, since an emulator runs them too.</summary>
    public static IReadOnlyList<OperationProbe> All { get; } =
    [
        Norm(9, 1280),
        Elementwise("swiglu 9 x 1024", 9, 1024, (b, x, y) => b.SwiGlu(x, y), halves: true),
        Product(1, WeightFormat.BF16), Product(1, WeightFormat.Int4), Product(1, WeightFormat.Fp8Activations),
        Rounded(Product(1, WeightFormat.Int4)), Rounded(Product(8, WeightFormat.Int4)), Rounded(Product(67, WeightFormat.Int4)),
        Product(67, WeightFormat.BF16), Product(67, WeightFormat.Int4), Product(67, WeightFormat.Fp8Activations),
        Kept(1), Kept(67),
        .. KvFormats.All.SelectMany(format => (OperationProbe[])[Attention("attention prefill 70", 70, 0, format), Attention("attention decode after 300", 1, 300, format)]),
        Rounded(Attention("attention prefill 70", 70, 0, KvFormat.BF16)), Rounded(Attention("attention decode after 300", 1, 300, KvFormat.BF16)),
        Experts("experts 1 token", 1), Experts("experts 40 tokens", 40),
        LayerNorm(10, 704), Elementwise("gelu 10 x 704", 10, 704, (b, x, y) => { b.Add(x, y); b.Gelu(y); }, halves: false),
        VisionPatches(), VisionAttention(), Shuffle(),
    ];

    /// <summary>Precision that the backend has for it; the processor's is float32 always.</summary>
    public ActivationPrecision Precision { get; init; }

    private static OperationProbe Rounded(OperationProbe probe) =>
        probe with { Name = $"{probe.Name}, bf16 activations", Tolerance = RoundedActivations, Precision = ActivationPrecision.BFloat16 };

    private static OperationProbe Norm(int rows, int columns) => new($"rms norm {rows} x {columns}", Sums, 8L * rows * columns, scope =>
    {
        Tensor x = scope.Input(rows, columns), weight = scope.Input(1, columns), y = scope.Empty(rows, columns);
        return new(() => scope.Backend.RmsNorm(x, weight, 1e-5f, y), y);
    });

    private static OperationProbe LayerNorm(int rows, int columns) => new($"layer norm {rows} x {columns}", Sums, 8L * rows * columns, scope =>
    {
        Tensor x = scope.Input(rows, columns), weight = scope.Input(1, columns), bias = scope.Input(1, columns), y = scope.Empty(rows, columns);
        return new(() => scope.Backend.LayerNorm(x, weight, bias, 1e-5f, y), y);
    });

    private static OperationProbe Elementwise(string name, int rows, int columns, Action<IBackend, Tensor, Tensor> run, bool halves) =>
        new(name, Sums, 4L * rows * columns * (halves ? 3 : 2), scope =>
        {
            Tensor x = scope.Input(rows, halves ? 2 * columns : columns, 4f), y = scope.Empty(rows, columns);
            return new(() => run(scope.Backend, x, y), y);
        });

    private static OperationProbe Product(int rows, WeightFormat format)
    {
        const int Outputs = 768;
        // Backends may round a quantised activation that lies between two codes to either side.
        return new($"product {rows} x {Hidden} x {Outputs} {format}", format.QuantisesActivations ? 1e-3 : Sums, format.Bytes(Outputs, Hidden) + (4L * rows * (Hidden + Outputs)), scope =>
        {
            Tensor x = scope.Input(rows, Hidden), y = scope.Empty(rows, Outputs);
            IMatrix weight = scope.Weight(Outputs, Hidden, format);
            return new(() => scope.Backend.Linear(x, weight, null, y), y);
        });
    }

    /// <summary>Codes as files have them: MLX's four bits with added offsets.</summary>
    private static OperationProbe Kept(int rows)
    {
        const int Outputs = 768;
        WeightFormat format = KeptFormats.Integers(4, 64, ScaleKind.BF16, OffsetKind.Added);
        return new($"product {rows} x {Hidden} x {Outputs} {format}", Sums, format.Bytes(Outputs, Hidden) + (4L * rows * (Hidden + Outputs)), scope =>
        {
            Tensor x = scope.Input(rows, Hidden), y = scope.Empty(rows, Outputs);
            IMatrix weight = scope.Codes(Outputs, Hidden, format);
            return new(() => scope.Backend.Linear(x, weight, null, y), y);
        });
    }

    private static OperationProbe Attention(string name, int rows, int before, KvFormat format)
    {
        var shape = new AttentionShape(10, 2, 128);
        long cache = (long)(before + rows) * 2 * 2 * 128 * format.ElementBytes();
        // Two backends may round what they append to either side.
        return new($"{name}, {format.Name()} cache", format.ElementBytes() < sizeof(float) ? RoundedCache : Sums, cache + (4L * rows * (shape.QkvColumns + shape.QueryColumns)), scope =>
        {
            KvLayout layout = scope.Backend.LayoutOf(64, 1, shape, format);
            KvStep step = scope.Own(scope.Backend.CreateKvStep(layout, scope.Own(scope.Backend.Allocate(Blocks * layout.BlockBytes)), 0, Blocks));
            if (before > 0)
            {
                Append(scope, shape, step, before, 0);
            }
            Tensor qkv = Append(scope, shape, step, rows, before), y = scope.Empty(rows, shape.QueryColumns);
            return new(() => scope.Backend.Attention(qkv, shape, step, 0, y), y);
        });
    }

    private static Tensor Append(ProbeScope scope, AttentionShape shape, KvStep step, int rows, int position)
    {
        Tensor qkv = scope.Input(rows, shape.QkvColumns), angles = scope.Empty(rows, shape.HeadDim);
        float[] frequencies = [.. Enumerable.Range(0, shape.HeadDim / 2).Select(i => MathF.Pow(500_000f, -2f * i / shape.HeadDim))];
        scope.Backend.RopeAngles(frequencies, [.. Enumerable.Range(position, rows)], angles);
        step.Set(rows, [new KvSegment(0, rows, position, 0)], [.. Enumerable.Range(0, Blocks)]);
        scope.Backend.RotateNormAndAppend(qkv, shape, angles, 1e-5f, null, step, 0);
        return qkv;
    }

    private static OperationProbe Experts(string name, int rows)
    {
        const int Width = 256, Count = 8;
        long read = Math.Min(rows, Count) * 3L * Width * Hidden * sizeof(ushort);
        return new(name, Sums, read + (8L * rows * Hidden), scope =>
        {
            Tensor x = scope.Input(rows, Hidden), logits = scope.Input(rows, Count, 3f), y = scope.Empty(rows, Hidden);
            IMatrix[] gateUp = scope.Stack(Count, 2 * Width, Hidden, WeightFormat.BF16), down = scope.Stack(Count, Hidden, Width, WeightFormat.BF16);
            ExpertWeights[] experts = [.. gateUp.Zip(down, (first, second) => new ExpertWeights(first, second))];
            Routing routing = scope.Own(scope.Backend.CreateRouting(rows, Count, 1));
            return new(
                () =>
                {
                    scope.Backend.RouteTopK(logits, routing);
                    scope.Backend.ExpertFeedForward(x, routing, experts, y);
                },
                y);
        });
    }

    private static OperationProbe VisionPatches() => new("patches and class token", Sums, 4L * 2 * 17 * 588, scope =>
    {
        ushort[] pixels = scope.Halves(2 * 3 * 56 * 56);
        Tensor patches = scope.Empty(2 * 16, 588), y = scope.Empty(2 * 17, 588), token = scope.Input(1, 588), positions = scope.Input(17, 588);
        return new(
            () =>
            {
                scope.Backend.UnfoldPatches(pixels, 2, 3, 56, 14, patches);
                scope.Backend.AppendClassTokenAndPositions(patches, token, positions, 2, y);
            },
            y);
    });

    private static OperationProbe VisionAttention() => new("vision attention 2 x 37", Sums, 4L * 2 * 37 * 4 * 4 * 88, scope =>
    {
        Tensor qkv = scope.Empty(2 * 37, 3 * 4 * 88), source = scope.Input(2 * 37, 3 * 4 * 88), y = scope.Empty(2 * 37, 4 * 88);
        float[] turns = [.. Enumerable.Range(0, 37 * 44).SelectMany(i => new[] { MathF.Cos(i * 0.1f), MathF.Sin(i * 0.1f) })];
        Tensor angles = scope.Input(37, 88, turns);
        // The operation overwrites its input: it starts from the same numbers each time.
        float[] numbers = scope.Read(source);
        return new(
            () =>
            {
                scope.Backend.Upload(numbers, qkv);
                scope.Backend.VisionAttention(qkv, 2, 4, angles, y);
            },
            y);
    });

    private static OperationProbe Shuffle() => new("pixel shuffle 2 x 8", 0, 8L * 2 * 65 * 96, scope =>
    {
        Tensor x = scope.Input(2 * 65, 96), y = scope.Empty(2 * 16, 4 * 96);
        return new(() => scope.Backend.PixelShuffle(x, 2, 8, y), y);
    });
}
