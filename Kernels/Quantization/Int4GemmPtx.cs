using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Ptx;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>
/// Writes the int4 products for many rows: <see cref="TensorProductPtx{T}"/> with weights in <see cref="Int4Tiles"/>, the operands of the matrix-vector kernels.
/// Codes become bfloat16 in registers. Sums stay in units of the current group's scale: where a group begins they are multiplied by the
/// quotient of the two scales.
/// </summary>
internal sealed class Int4GemmPtx : TensorProductPtx<Bf16x2>
{
    private const int TileBytes = Int4Tiles.TileBytes;

    private readonly int _scaleBytes;
    private readonly int _auxiliaryBytes;
    private readonly int _auxiliary;
    private readonly Own _r;
    private Parameter<GlobalAddress> _weights, _scales;

    private Int4GemmPtx(KernelWriter writer, TensorTile tile, bool experts)
        : base(writer, tile, experts, CodeBytes(tile), $"codes [{tile.Outputs / Int4Tiles.TileRows}][{TileBytes}]", Int4Operand.GroupBytes)
    {
        (_scaleBytes, _auxiliaryBytes, _auxiliary) = (ScaleBytes(tile), AuxiliaryBytes(tile), tile.Stages * StageBytes);
        K.Shared("auxiliary", 2 * _auxiliaryBytes, $"2 groups of {_auxiliaryBytes} bytes: scales [{tile.Outputs / Int4Tiles.UnitRows}][8][4] f32, sums [{tile.Tokens}][8] f32");
        _r = new Own(writer, tile.WarpTiles);
    }

    /// <summary>The sizes, those for fewer rows first. A warp for each tile of 16 outputs, so that a step's codes are one copy of each thread.</summary>
    public static IReadOnlyList<TensorTile> Tiles { get; } =
        [new(64, 64, 32, 32, Stages: 4, BlocksPerProcessor: 3), new(128, 128, 64, 32, Stages: 4, BlocksPerProcessor: 1)];

    /// <summary>Bytes of dynamic shared memory: the steps, and scales and sums of two groups.</summary>
    public static int SharedBytes(TensorTile tile) => (tile.Stages * (CodeBytes(tile) + (tile.Tokens * TensorTile.RowBytes))) + (2 * AuxiliaryBytes(tile));

    /// <summary>The kernel's name.</summary>
    public static string Name(TensorTile tile, bool experts) => $"{(experts ? "expert_" : "")}matmul{tile.Tokens}_int4";

    /// <summary>Writes a kernel.</summary>
    /// <param name="tile">What a block computes.</param>
    /// <param name="experts">Rows in the order of experts, each with its expert's weights.</param>
    /// <param name="sm">Compute capability: 80, or 90 with programmatic dependent launch.</param>
    public static KernelWriter Write(TensorTile tile, bool experts, int sm)
    {
        var writer = new KernelWriter(Name(tile, experts), sm, tile.Threads, tile.BlocksPerProcessor,
            $"y = x * W^T: W int4 in tiles, x bf16, sums f32{(experts ? ", rows in the order of experts" : "")}; sm_{sm}{(sm >= 90 ? " with programmatic dependent launch" : "")}.\n"
            + "Written by Int4GemmPtx; docs/kernels/int4-matmul.md says why it is as it is.\n"
            + GridOf(tile, experts));
        new Int4GemmPtx(writer, tile, experts).Body();
        return writer;
    }

    /// <inheritdoc/>
    protected override void DeclareWeights()
    {
        _weights = K.View("weights", $"{(Experts ? "[experts]" : "")}[units of 32 rows][2][inner / 64][512] bytes: Int4Tiles");
        _scales = K.View("scales", $"{(Experts ? "[experts]" : "")}[units][inner / 128][8][4] f32");
    }

    /// <summary>A tile of rows a warp, 16 bytes a lane; eight threads a unit's scales.</summary>
    protected override void PointAtWeights()
    {
        K.Comment("from where this thread copies codes");
        K.Add(_r.Units, R.Outputs, Int4Tiles.UnitRows - 1);
        K.ShiftRight(_r.Units, _r.Units, 5);
        K.Load(_r.Codes, _weights);
        K.ShiftRight(R.Row, R.Output, 4);
        K.Add(R.Row, R.Row, R.Warp);
        K.ShiftLeft(R.Work, _r.Units, 1);
        K.Subtract(R.Work, R.Work, 1);
        K.Minimum(R.Row, R.Row, R.Work);
        if (Experts)
        {
            K.Add(R.Work, R.Work, 1);
            K.MultiplyAdd(R.Row, R.Work, R.Expert, R.Row);
        }
        // A row of tiles has inner / 64 of them: 8 bytes a column.
        K.ShiftLeft(R.Work, R.Inner, 3);
        K.Advance(_r.Codes, _r.Codes, R.Row, R.Work);
        K.Advance(_r.Codes, _r.Codes, R.Lane, 16);

        K.Comment("and scales: eight threads a unit");
        K.Load(_r.Scales, _scales);
        K.ShiftRight(R.Row, R.Output, 5);
        K.ShiftRight(R.Work, R.Thread, 3);
        K.Add(R.Row, R.Row, R.Work);
        K.Subtract(R.Work, _r.Units, 1);
        K.Minimum(R.Row, R.Row, R.Work);
        if (Experts)
        {
            K.MultiplyAdd(R.Row, _r.Units, R.Expert, R.Row);
        }
        K.Multiply(R.Row, R.Row, R.Left);
        K.Advance(_r.Scales, _r.Scales, R.Row, Int4Tiles.ScaleBytes);
        K.Advance(_r.Scales, _r.Scales, R.Piece, 16);
        K.Less(_r.Scaling, R.Thread, _scaleBytes / 16);
        // Of the threads that copy a row's values, two copy its sums.
        K.Less(_r.Summing, R.Piece, Int4Operand.SumBytes / 16);
    }

    /// <inheritdoc/>
    protected override void PlaceWeights()
    {
        K.Comment("codes, scales and sums likewise");
        K.Advance(_r.ToCodes, R.Base, R.Thread, 16);
        K.ShiftRight(R.Row, R.Thread, 3);
        K.Advance(_r.ToSums, R.Base, R.Row, Int4Operand.SumBytes);
        K.Advance(_r.ToSums, _r.ToSums, R.Piece, 16);
        K.Advance(_r.ToSums, _r.ToSums, _auxiliary + _scaleBytes);
        K.Advance(_r.OfCodes, R.Base, R.WarpOutput, TileBytes / Int4Tiles.TileRows);
        K.Advance(_r.OfCodes, _r.OfCodes, R.Lane, 16);
        K.Advance(_r.OfScales, R.Base, R.WarpOutput, sizeof(float));
        K.Advance(_r.OfScales, _r.OfScales, R.G, 16);
        // The sums of the tokens 2t; four lanes take another copy each, so that they meet in no bank.
        K.Advance(_r.OfSums, R.Base, R.WarpToken, Int4Operand.SumBytes);
        K.Advance(_r.OfSums, _r.OfSums, R.Quarter, (2 * Int4Operand.SumBytes) + sizeof(float));
    }

    /// <summary>A step's codes, and with the first half of a group its scales.</summary>
    protected override void CopyWeights(int place, int half, int group, Reg<Predicate>? more)
    {
        Guarded(more, () => K.CopyAsync(_r.ToCodes.At(place * StageBytes), _r.Codes.At(half * TileBytes)));
        if (half == 0)
        {
            Guarded(And(_r.MoreScales, more, _r.Scaling), () => K.CopyAsync(_r.ToCodes.At(_auxiliary + (group * _auxiliaryBytes)), _r.Scales));
        }
    }

    /// <inheritdoc/>
    protected override void CopySums(int group, Reg<Predicate>? more)
    {
        Reg<Predicate> copies = And(_r.MoreSums, more, _r.Summing);
        for (int i = 0; i < R.Values.Length; i++)
        {
            (Reg<GlobalAddress> from, int row) = (R.Values[i], i * Tile.CopiedRows);
            Guarded(copies, () => K.CopyAsync(_r.ToSums.At((group * _auxiliaryBytes) + (row * Int4Operand.SumBytes)), from.At(Int4Operand.ValueBytes)));
        }
    }

    /// <inheritdoc/>
    protected override void AdvanceWeights()
    {
        K.Advance(_r.Codes, _r.Codes, 2 * TileBytes);
        K.Advance(_r.Scales, _r.Scales, Int4Tiles.ScaleBytes);
    }

    /// <summary>Sums are in units of 1 before the first group.</summary>
    protected override void BeginSums()
    {
        for (int of = 0; of < 2 * Tile.WarpTiles; of++)
        {
            K.Move(Scale(of), 1f);
        }
    }

    /// <summary>Sums in units of the new group's scales, less what <see cref="Int4Tiles.Offset"/> will add to them.</summary>
    protected override void BeginGroup(int group)
    {
        int auxiliary = _auxiliary + (group * _auxiliaryBytes);
        for (int unit = 0; unit < _r.Scale.Length; unit++)
        {
            K.Load(_r.Next, _r.OfScales.At(auxiliary + (unit * Int4Tiles.ScaleBytes)));
            for (int i = 0; i < 4; i++)
            {
                K.ReciprocalNear(_r.Ratio[unit][i], _r.Next[i]);
                K.Multiply(_r.Ratio[unit][i], _r.Ratio[unit][i], _r.Scale[unit][i]);
                K.Move(_r.Scale[unit][i], _r.Next[i]);
            }
        }
        for (int n = 0; n < Tile.WarpEights; n++)
        {
            int sums = auxiliary + _scaleBytes + (n * MatrixFragments.N * Int4Operand.SumBytes);
            K.Load(_r.Offset.X, _r.OfSums.At(sums));
            K.Load(_r.Offset.Y, _r.OfSums.At(sums + Int4Operand.SumBytes));
            for (int tile = 0; tile < Tile.WarpTiles; tile++)
            {
                for (int c = 0; c < 4; c++)
                {
                    int of = (2 * tile) + (c / 2);
                    Reg<F32> sum = R.Sum[(tile * Tile.WarpEights) + n][c];
                    K.MultiplyAdd(sum, sum, _r.Ratio[of / 4][of % 4], c % 2 == 0 ? _r.Offset.X : _r.Offset.Y);
                }
            }
        }
    }

    /// <inheritdoc/>
    protected override void LoadWeights(int stage)
    {
        for (int tile = 0; tile < Tile.WarpTiles; tile++)
        {
            K.Load(_r.Word[tile], _r.OfCodes.At(stage + (tile * TileBytes)));
        }
    }

    /// <inheritdoc/>
    protected override void Fragment(int stage, int tile, int block) => Int4TilesPtx.Decode(K, _r.Word[tile][block], _r.Shift, R.Fragment);

    /// <summary>Times the last group's scale.</summary>
    protected override void Finish(Reg<F32> sum, int of, Reg<F32>? bias)
    {
        if (bias is Reg<F32> added)
        {
            K.MultiplyAdd(sum, sum, Scale(of), added);
        }
        else
        {
            K.Multiply(sum, sum, Scale(of));
        }
    }

    private static int CodeBytes(TensorTile tile) => tile.Outputs / Int4Tiles.TileRows * TileBytes;

    private static int ScaleBytes(TensorTile tile) => tile.Outputs * sizeof(float);

    private static int AuxiliaryBytes(TensorTile tile) => ScaleBytes(tile) + (tile.Tokens * Int4Operand.SumBytes);

    private Reg<Predicate> And(Reg<Predicate> both, Reg<Predicate>? more, Reg<Predicate> condition)
    {
        if (more is not Reg<Predicate> given)
        {
            return condition;
        }
        K.And(both, given, condition);
        return both;
    }

    /// <summary>The scale of a warp's rows 16 · (of / 2) + 8 · (of % 2) + g.</summary>
    private Reg<F32> Scale(int of) => _r.Scale[of / 4][of % 4];

    /// <summary>The registers of weights, with their meaning.</summary>
    private sealed class Own(KernelWriter k, int tiles)
    {
        public Reg<U32> Units { get; } = k.Register<U32>("units", "units of 32 rows of a matrix");

        public Reg<GlobalAddress> Codes { get; } = k.Register<GlobalAddress>("codes", "next codes to copy");

        public Reg<GlobalAddress> Scales { get; } = k.Register<GlobalAddress>("scale_pointer", "next scales to copy");

        public Reg<SharedAddress> ToCodes { get; } = k.Register<SharedAddress>("to_codes", "where the thread's codes and scales go");

        public Reg<SharedAddress> ToSums { get; } = k.Register<SharedAddress>("to_sums", "its sums");

        public Reg<SharedAddress> OfCodes { get; } = k.Register<SharedAddress>("of_codes", "the lane's codes");

        public Reg<SharedAddress> OfScales { get; } = k.Register<SharedAddress>("of_scales", "its scales");

        public Reg<SharedAddress> OfSums { get; } = k.Register<SharedAddress>("of_sums", "its sums");

        public Reg<Predicate> Summing { get; } = k.Register<Predicate>("summing", "the thread copies sums");

        public Reg<Predicate> Scaling { get; } = k.Register<Predicate>("scaling", "the thread copies scales");

        public Reg<Predicate> MoreSums { get; } = k.Register<Predicate>("more_sums", "and there are some");

        public Reg<Predicate> MoreScales { get; } = k.Register<Predicate>("more_scales", "and there are some");

        public Vec4<U32>[] Word { get; } = [.. Enumerable.Range(0, tiles).Select(tile => k.Quad<U32>($"word{tile}_", "codes of a tile"))];

        public Vec4<U32> Shift { get; } = k.Quad<U32>("shift", "a word moved by 4, 8 and 12");

        public Vec4<F32>[] Scale { get; } = [.. Enumerable.Range(0, tiles / 2).Select(unit => k.Quad<F32>($"scale{unit}_", "scales of the rows g, g + 8, g + 16, g + 24: what sums are in units of"))];

        public Vec4<F32> Next { get; } = k.Quad<F32>("next", "the new group's");

        public Vec4<F32>[] Ratio { get; } = [.. Enumerable.Range(0, tiles / 2).Select(unit => k.Quad<F32>($"ratio{unit}_", "scale over the new group's"))];

        public Vec2<F32> Offset { get; } = k.Pair<F32>("offset", "-24 times the sums of the tokens 2t, 2t + 1");
    }
}
