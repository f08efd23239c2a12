using Llama4Kernels.Kernels.Ptx;
using Llama4Kernels.Kernels.Quantization;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>
/// Writes the products of bfloat16 weights for many rows: <see cref="TensorProductPtx{T}"/> with weights in rows, as they are stored. Pieces of a row are
/// exchanged in shared memory (<see cref="SharedTiles"/>), and <c>ldmatrix</c> makes fragments of them.
/// </summary>
internal sealed class Bf16GemmPtx : TensorProductPtx<Bf16x2>
{
    private readonly Own _r;
    private Parameter<GlobalAddress> _weights;

    private Bf16GemmPtx(KernelWriter writer, TensorTile tile, bool experts)
        : base(writer, tile, experts, tile.Outputs * TensorTile.RowBytes, $"weights [{tile.Outputs}][{TensorTile.RowBytes}], pieces of 16 bytes exchanged", Int4Operand.GroupBytes) =>
        _r = new Own(writer, tile.Outputs / tile.CopiedRows);

    /// <summary>The sizes, those for fewer rows first.</summary>
    public static IReadOnlyList<TensorTile> Tiles { get; } =
        [new(128, 64, 64, 32, Stages: 4, BlocksPerProcessor: 2), new(128, 128, 64, 32, Stages: 3, BlocksPerProcessor: 1)];

    /// <summary>Bytes of dynamic shared memory.</summary>
    public static int SharedBytes(TensorTile tile) => tile.Stages * (tile.Outputs + tile.Tokens) * TensorTile.RowBytes;

    /// <summary>The kernel's name.</summary>
    public static string Name(TensorTile tile, bool experts) => $"{(experts ? "expert_" : "")}matmul{tile.Tokens}_bf16";

    /// <summary>Writes a kernel.</summary>
    /// <param name="tile">What a block computes.</param>
    /// <param name="experts">Rows in the order of experts, each with its expert's weights.</param>
    /// <param name="sm">Compute capability: 80, or 90 with programmatic dependent launch.</param>
    public static KernelWriter Write(TensorTile tile, bool experts, int sm)
    {
        var writer = new KernelWriter(Name(tile, experts), sm, tile.Threads, tile.BlocksPerProcessor,
            $"y = x * W^T: W bf16 in rows, x bf16, sums f32{(experts ? ", rows in the order of experts" : "")}; sm_{sm}{(sm >= 90 ? " with programmatic dependent launch" : "")}.\n"
            + "Written by Bf16GemmPtx; docs/kernels/bf16-matmul.md says why it is as it is.\n"
            + GridOf(tile, experts));
        new Bf16GemmPtx(writer, tile, experts).Body();
        return writer;
    }

    /// <inheritdoc/>
    protected override void DeclareWeights() => _weights = K.View("weights", $"{(Experts ? "[experts]" : "")}[outputs][inner] bf16");

    /// <summary>A piece of some rows.</summary>
    protected override void PointAtWeights()
    {
        K.Comment("from where this thread copies weights: eight threads a row");
        K.Load(R.Pointer, _weights);
        K.Advance(R.Pointer, R.Pointer, R.Piece, 16);
        K.Subtract(R.Last, R.Outputs, 1);
        K.ShiftLeft(R.Work, R.Inner, 1);
        for (int i = 0; i < _r.Weights.Length; i++)
        {
            K.ShiftRight(R.Row, R.Thread, 3);
            K.Add(R.Row, R.Row, R.Output);
            if (i > 0)
            {
                K.Add(R.Row, R.Row, i * Tile.CopiedRows);
            }
            K.Minimum(R.Row, R.Row, R.Last);
            if (Experts)
            {
                K.MultiplyAdd(R.Row, R.Outputs, R.Expert, R.Row);
            }
            K.Advance(_r.Weights[i], R.Pointer, R.Row, R.Work);
        }
    }

    /// <inheritdoc/>
    protected override void PlaceWeights()
    {
        K.Comment("weights likewise; a lane names a piece of a tile's row for each block of 16 columns");
        K.ShiftRight(R.Row, R.Thread, 3);
        K.Advance(_r.ToWeights, R.Base, R.Row, TensorTile.RowBytes);
        K.And(R.Row, R.Row, Pieces - 1);
        K.Xor(R.Row, R.Row, R.Piece);
        K.Advance(_r.ToWeights, _r.ToWeights, R.Row, 16);
        K.And(R.Row, R.Lane, MatrixFragments.M - 1);
        K.Add(R.Row, R.Row, R.WarpOutput);
        K.Advance(_r.OfWeights[0], R.Base, R.Row, TensorTile.RowBytes);
        K.ShiftRight(R.Work, R.Lane, 4);
        K.And(R.Row, R.Lane, Pieces - 1);
        K.Xor(R.Row, R.Row, R.Work);
        for (int block = _r.OfWeights.Length - 1; block >= 0; block--)
        {
            // The piece 2 · block + lane / 16, exchanged.
            K.Xor(R.Work, R.Row, 2 * block);
            K.Advance(_r.OfWeights[block], _r.OfWeights[0], R.Work, 16);
        }
    }

    /// <inheritdoc/>
    protected override void CopyWeights(int place, int half, int group, Reg<Predicate>? more)
    {
        for (int i = 0; i < _r.Weights.Length; i++)
        {
            Reg<GlobalAddress> from = _r.Weights[i];
            int to = (place * StageBytes) + (i * Tile.CopiedRows * TensorTile.RowBytes);
            Guarded(more, () => K.CopyAsync(_r.ToWeights.At(to), from.At(half * TensorTile.RowBytes)));
        }
    }

    /// <inheritdoc/>
    protected override void AdvanceWeights()
    {
        foreach (Reg<GlobalAddress> weights in _r.Weights)
        {
            K.Advance(weights, weights, 2 * TensorTile.RowBytes);
        }
    }

    /// <inheritdoc/>
    protected override void Fragment(int stage, int tile, int block) =>
        K.LoadMatrices(R.Fragment, _r.OfWeights[block].At(stage + (tile * MatrixFragments.M * TensorTile.RowBytes)));

    /// <inheritdoc/>
    protected override void Finish(Reg<F32> sum, int of, Reg<F32>? bias)
    {
        if (bias is Reg<F32> added)
        {
            K.Add(sum, sum, added);
        }
    }

    /// <summary>The registers of weights, with their meaning.</summary>
    private sealed class Own(KernelWriter k, int copies)
    {
        public Reg<GlobalAddress>[] Weights { get; } = [.. Enumerable.Range(0, copies).Select(i => k.Register<GlobalAddress>($"weights{i}", "next weights of a row to copy"))];

        public Reg<SharedAddress> ToWeights { get; } = k.Register<SharedAddress>("to_weights", "where the thread's weights go");

        public Reg<SharedAddress>[] OfWeights { get; } = [.. Enumerable.Range(0, 4).Select(block => k.Register<SharedAddress>($"of_weights{block}", "the lane's piece of a tile, block of 16 columns"))];
    }
}
