using Llama4Kernels.Kernels.Ptx;
using Llama4Kernels.Kernels.Quantization;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>Writes the products of bfloat16 weights for few rows: <see cref="VectorProductPtx{T}"/> with fragments as <c>ldmatrix</c> brings them.</summary>
internal sealed class Bf16MatVecPtx : VectorProductPtx<Bf16x2>
{
    private Bf16MatVecPtx(KernelWriter writer, VectorTile tile, bool experts)
        : base(writer, tile, experts, Int4Operand.GroupBytes)
    {
    }

    /// <summary>The sizes, those for fewer rows first.</summary>
    public static IReadOnlyList<VectorTile> Tiles { get; } = [.. VectorTile.RowCounts.Select(rows => new VectorTile(rows, VectorTile.StepBytes / 2))];

    /// <summary>The kernel's name.</summary>
    public static string Name(VectorTile tile, bool experts) => $"{(experts ? "expert_" : "")}matvec{tile.Rows}_bf16";

    /// <summary>Writes a kernel.</summary>
    /// <param name="tile">What a block computes.</param>
    /// <param name="experts">Rows in the order of experts, each with its expert's weights.</param>
    /// <param name="sm">Compute capability: 80, or 90 with programmatic dependent launch.</param>
    public static KernelWriter Write(VectorTile tile, bool experts, int sm)
    {
        var writer = new KernelWriter(Name(tile, experts), sm, VectorTile.Threads, tile.BlocksPerProcessor,
            Summary(tile, experts, sm, "W bf16 in rows, x bf16", "Written by Bf16MatVecPtx; docs/kernels/bf16-matvec.md"));
        new Bf16MatVecPtx(writer, tile, experts).Body();
        return writer;
    }

    /// <inheritdoc/>
    protected override Parameter<GlobalAddress> DeclareWeights() => K.View("weights", $"{(Experts ? "[experts]" : "")}[outputs][inner] bf16");

    /// <inheritdoc/>
    protected override Parameter<GlobalAddress> DeclareOperand() => K.View("x", "[rows][inner / 128][288] bytes: Int4Operand");

    /// <inheritdoc/>
    protected override void Fragment(int at, int tile, int block) =>
        K.LoadMatrices(R.Fragment, R.OfWeights[block].At(at + (tile * MatrixFragments.M * VectorTile.StepBytes)));
}
