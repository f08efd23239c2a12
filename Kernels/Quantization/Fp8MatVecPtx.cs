using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Ptx;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>Writes the products of FP8 weights for few rows: <see cref="VectorProductPtx{T}"/> with codes that become float16 in registers.</summary>
internal sealed class Fp8MatVecPtx : VectorProductPtx<F16x2>
{
    private readonly Fp8CodesPtx _codes;
    private readonly Reg<F32> _scale, _factor;
    private readonly Reg<GlobalAddress> _factorPointer;
    private Parameter<GlobalAddress> _scales, _factors;

    private Fp8MatVecPtx(KernelWriter writer, VectorTile tile, bool experts)
        : base(writer, tile, experts, Fp8Operand.GroupBytes)
    {
        _codes = new Fp8CodesPtx(writer, VectorTile.Outputs / MatrixFragments.M, R.Fragment);
        _scale = writer.Register<F32>("scale_value", "the output's scale");
        _factor = writer.Register<F32>("factor_value", "the row's factor");
        _factorPointer = writer.Register<GlobalAddress>("factor_pointer", "factors of rows");
    }

    /// <summary>The sizes, those for fewer rows first.</summary>
    public static IReadOnlyList<VectorTile> Tiles { get; } = [.. VectorTile.RowCounts.Select(rows => new VectorTile(rows, VectorTile.StepBytes))];

    /// <summary>The kernel's name.</summary>
    public static string Name(VectorTile tile, bool experts) => $"{(experts ? "expert_" : "")}matvec{tile.Rows}_fp8";

    /// <summary>Writes a kernel.</summary>
    /// <param name="tile">What a block computes.</param>
    /// <param name="experts">Rows in the order of experts, each with its expert's weights.</param>
    /// <param name="sm">Compute capability: 80, or 90 with programmatic dependent launch.</param>
    public static KernelWriter Write(VectorTile tile, bool experts, int sm)
    {
        var writer = new KernelWriter(Name(tile, experts), sm, VectorTile.Threads, tile.BlocksPerProcessor,
            Summary(tile, experts, sm, "W E4M3 in rows with a scale each, x f16 with a factor a row", "Written by Fp8MatVecPtx; docs/kernels/fp8-products.md"));
        new Fp8MatVecPtx(writer, tile, experts).Body();
        return writer;
    }

    /// <inheritdoc/>
    protected override Parameter<GlobalAddress> DeclareWeights()
    {
        Parameter<GlobalAddress> weights = K.View("weights", $"{(Experts ? "[experts]" : "")}[outputs][inner] E4M3");
        _scales = K.View("scales", $"{(Experts ? "[experts]" : "")}[outputs] f32");
        return weights;
    }

    /// <inheritdoc/>
    protected override Parameter<GlobalAddress> DeclareOperand()
    {
        Parameter<GlobalAddress> x = K.View("x", "[rows][inner / 128][256] bytes: Fp8Operand");
        _factors = K.View("factors", "[rows] f32");
        return x;
    }

    /// <inheritdoc/>
    protected override void BeginSums() => _codes.Begin();

    /// <inheritdoc/>
    protected override void Fragment(int at, int tile, int block) =>
        _codes.Fragment(R.OfWeights[block / 2].At(at + (tile * MatrixFragments.M * VectorTile.StepBytes)), tile, block);

    /// <inheritdoc/>
    protected override void EndSums() => _codes.End(R.Sum);

    /// <summary>The lane's scale, and where its rows' factors are.</summary>
    protected override void BeginResults()
    {
        K.Comment("the output's scale and the rows' factors");
        K.Load(R.Pointer, _scales);
        if (Experts)
        {
            K.MultiplyAdd(R.Work, R.Outputs, R.Expert, R.Output);
        }
        else
        {
            K.Move(R.Work, R.Output);
        }
        K.Advance(R.Pointer, R.Pointer, R.Work, sizeof(float));
        K.Move(_scale, 0f);
        K.When(R.Take, () => K.Load(_scale, R.Pointer));
        if (_codes.Factor != 1)
        {
            K.Multiply(_scale, _scale, _codes.Factor);
        }
        K.Load(_factorPointer, _factors);
        K.Advance(_factorPointer, _factorPointer, R.Row, sizeof(float));
    }

    /// <inheritdoc/>
    protected override void Finish(Reg<F32> sum)
    {
        K.Load(_factor, _factorPointer);
        K.Advance(_factorPointer, _factorPointer, VectorTile.Warps * sizeof(float));
        K.Multiply(sum, sum, _scale);
        K.Multiply(sum, sum, _factor);
    }
}
