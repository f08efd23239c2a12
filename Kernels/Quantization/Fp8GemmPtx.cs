using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Ptx;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>
/// Writes the products of FP8 weights for many rows: <see cref="TensorProductPtx{T}"/> with rows of codes, pieces of which are exchanged in shared memory
/// (<see cref="SharedTiles"/>), that become float16 in registers.
/// </summary>
internal sealed class Fp8GemmPtx : TensorProductPtx<F16x2>
{
    private const int CodeBytes = TensorTile.RowBytes / 2;
    private const int CodePieces = CodeBytes / 16;

    private readonly Own _r;
    private readonly Fp8CodesPtx _codes;
    private Parameter<GlobalAddress> _weights, _scales, _factors;

    private Fp8GemmPtx(KernelWriter writer, TensorTile tile, bool experts)
        : base(writer, tile, experts, tile.Outputs * CodeBytes, $"codes [{tile.Outputs}][{CodeBytes}], pieces of 16 bytes exchanged", Fp8Operand.GroupBytes)
    {
        _r = new Own(writer, tile.Outputs * CodePieces / tile.Threads, 2 * tile.WarpTiles);
        _codes = new Fp8CodesPtx(writer, tile.WarpTiles, R.Fragment);
    }

    /// <summary>The sizes, those for fewer rows first: a warp's tile is wide in tokens, which share what decoding a fragment takes.</summary>
    public static IReadOnlyList<TensorTile> Tiles { get; } =
        [new(128, 64, 32, 64, Stages: 4, BlocksPerProcessor: 2), new(128, 128, 32, 64, Stages: 4, BlocksPerProcessor: 1)];

    /// <summary>Bytes of dynamic shared memory.</summary>
    public static int SharedBytes(TensorTile tile) => tile.Stages * ((tile.Outputs * CodeBytes) + (tile.Tokens * TensorTile.RowBytes));

    /// <summary>The kernel's name.</summary>
    public static string Name(TensorTile tile, bool experts) => $"{(experts ? "expert_" : "")}matmul{tile.Tokens}_fp8";

    /// <summary>Writes a kernel.</summary>
    /// <param name="tile">What a block computes.</param>
    /// <param name="experts">Rows in the order of experts, each with its expert's weights.</param>
    /// <param name="sm">Compute capability: 80, or 90 with programmatic dependent launch.</param>
    public static KernelWriter Write(TensorTile tile, bool experts, int sm)
    {
        var writer = new KernelWriter(Name(tile, experts), sm, tile.Threads, tile.BlocksPerProcessor,
            $"y = x * W^T: W E4M3 in rows with a scale each, x f16 with a factor a row, sums f32{(experts ? ", rows in the order of experts" : "")}; sm_{sm}{(sm >= 90 ? " with programmatic dependent launch" : "")}.\n"
            + "Written by Fp8GemmPtx; docs/kernels/fp8-products.md says why it is as it is.\n"
            + GridOf(tile, experts));
        new Fp8GemmPtx(writer, tile, experts).Body();
        return writer;
    }

    /// <inheritdoc/>
    protected override void DeclareWeights()
    {
        _weights = K.View("weights", $"{(Experts ? "[experts]" : "")}[outputs][inner] E4M3");
        _scales = K.View("scales", $"{(Experts ? "[experts]" : "")}[outputs] f32");
    }

    /// <inheritdoc/>
    protected override Parameter<GlobalAddress> DeclareOperand()
    {
        Parameter<GlobalAddress> x = K.View("x", "[rows][inner / 128][256] bytes: Fp8Operand");
        _factors = K.View("factors", "[rows] f32");
        return x;
    }

    /// <summary>A piece of some rows.</summary>
    protected override void PointAtWeights()
    {
        K.Comment("from where this thread copies codes: four threads a row");
        K.Load(R.Pointer, _weights);
        K.And(R.Work, R.Thread, CodePieces - 1);
        K.Advance(R.Pointer, R.Pointer, R.Work, 16);
        K.Subtract(R.Last, R.Outputs, 1);
        for (int i = 0; i < _r.Weights.Length; i++)
        {
            K.ShiftRight(R.Row, R.Thread, 2);
            K.Add(R.Row, R.Row, R.Output);
            if (i > 0)
            {
                K.Add(R.Row, R.Row, i * Tile.Threads / CodePieces);
            }
            K.Minimum(R.Row, R.Row, R.Last);
            if (Experts)
            {
                K.MultiplyAdd(R.Row, R.Outputs, R.Expert, R.Row);
            }
            K.Advance(_r.Weights[i], R.Pointer, R.Row, R.Inner);
        }
    }

    /// <inheritdoc/>
    protected override void PlaceWeights()
    {
        K.Comment("codes likewise; a lane names a piece of a tile's row for each two blocks of 16 columns");
        K.ShiftRight(R.Row, R.Thread, 2);
        K.Advance(_r.ToWeights, R.Base, R.Row, CodeBytes);
        K.ShiftRight(R.Row, R.Row, 1);
        K.Xor(R.Row, R.Row, R.Thread);
        K.And(R.Row, R.Row, CodePieces - 1);
        K.Advance(_r.ToWeights, _r.ToWeights, R.Row, 16);
        K.And(R.Row, R.Lane, MatrixFragments.M - 1);
        K.Add(R.Row, R.Row, R.WarpOutput);
        K.Advance(_r.OfWeights[0], R.Base, R.Row, CodeBytes);
        K.ShiftRight(R.Work, R.Lane, 4);
        K.ShiftRight(R.Row, R.Lane, 1);
        K.Xor(R.Row, R.Row, R.Work);
        K.And(R.Row, R.Row, CodePieces - 1);
        for (int pair = _r.OfWeights.Length - 1; pair >= 0; pair--)
        {
            // The piece 2 · pair + lane / 16, exchanged.
            K.Xor(R.Work, R.Row, 2 * pair);
            K.Advance(_r.OfWeights[pair], _r.OfWeights[0], R.Work, 16);
        }
    }

    /// <inheritdoc/>
    protected override void CopyWeights(int place, int half, int group, Reg<Predicate>? more)
    {
        for (int i = 0; i < _r.Weights.Length; i++)
        {
            Reg<GlobalAddress> from = _r.Weights[i];
            int to = (place * StageBytes) + (i * Tile.Threads * 16);
            Guarded(more, () => K.CopyAsync(_r.ToWeights.At(to), from.At(half * CodeBytes)));
        }
    }

    /// <inheritdoc/>
    protected override void AdvanceWeights()
    {
        foreach (Reg<GlobalAddress> weights in _r.Weights)
        {
            K.Advance(weights, weights, 2 * CodeBytes);
        }
    }

    /// <inheritdoc/>
    protected override void BeginSums() => _codes.Begin();

    /// <inheritdoc/>
    protected override void Fragment(int stage, int tile, int block) =>
        _codes.Fragment(_r.OfWeights[block / 2].At(stage + (tile * MatrixFragments.M * CodeBytes)), tile, block);

    /// <inheritdoc/>
    protected override void EndSums() => _codes.End(R.Sum);

    /// <summary>The scales of the lane's outputs.</summary>
    protected override void BeginResults()
    {
        K.Comment("the outputs' scales");
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
        for (int of = 0; of < _r.Scale.Length; of++)
        {
            (Reg<F32> scale, int bytes) = (_r.Scale[of], 8 * of * sizeof(float));
            K.Move(scale, 0f);
            K.When(R.Stored[of], () => K.Load(scale, R.Pointer.At(bytes)));
            if (_codes.Factor != 1)
            {
                K.Multiply(scale, scale, _codes.Factor);
            }
        }
        K.Load(_r.Factors, _factors);
        K.Move(_r.Factor, 0f);
    }

    /// <summary>A token's factor.</summary>
    protected override void BeginToken()
    {
        K.Add(R.Work, R.Row, R.First);
        K.Advance(R.Pointer, _r.Factors, R.Work, sizeof(float));
        K.When(R.More, () => K.Load(_r.Factor, R.Pointer));
    }

    /// <inheritdoc/>
    protected override void Finish(Reg<F32> sum, int of, Reg<F32>? bias)
    {
        K.Multiply(sum, sum, _r.Scale[of]);
        if (bias is Reg<F32> added)
        {
            K.MultiplyAdd(sum, sum, _r.Factor, added);
        }
        else
        {
            K.Multiply(sum, sum, _r.Factor);
        }
    }

    /// <summary>The registers of weights, with their meaning.</summary>
    private sealed class Own(KernelWriter k, int copies, int outputs)
    {
        public Reg<GlobalAddress>[] Weights { get; } = [.. Enumerable.Range(0, copies).Select(i => k.Register<GlobalAddress>($"weights{i}", "next codes of a row to copy"))];

        public Reg<GlobalAddress> Factors { get; } = k.Register<GlobalAddress>("factor_pointer", "factors of rows");

        public Reg<SharedAddress> ToWeights { get; } = k.Register<SharedAddress>("to_weights", "where the thread's codes go");

        public Reg<SharedAddress>[] OfWeights { get; } = [.. Enumerable.Range(0, 2).Select(pair => k.Register<SharedAddress>($"of_weights{pair}", "the lane's piece of a tile, two blocks of 16 columns"))];

        public Reg<F32>[] Scale { get; } = [.. Enumerable.Range(0, outputs).Select(of => k.Register<F32>($"scale{of}", "the scale of an output"))];

        public Reg<F32> Factor { get; } = k.Register<F32>("factor", "the token's factor");
    }
}
