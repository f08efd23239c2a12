using Llama4Kernels.Kernels.Ptx;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>A size of <see cref="Int4GemmPtx"/>: what a block computes, and how its warps share it out.</summary>
/// <param name="Outputs">Outputs of a block.</param>
/// <param name="Tokens">Tokens of a block.</param>
/// <param name="WarpOutputs">Outputs of a warp, whole units of 32.</param>
/// <param name="WarpTokens">Tokens of a warp, whole eights.</param>
/// <param name="BlocksPerProcessor">Blocks that there shall be registers for.</param>
internal sealed record Int4GemmSize(int Outputs, int Tokens, int WarpOutputs, int WarpTokens, int BlocksPerProcessor)
{
    /// <summary>Steps of 64 columns that lie in shared memory at once.</summary>
    public const int Stages = 4;

    /// <summary>Warps side by side along the tokens.</summary>
    public int TokenWarps => Tokens / WarpTokens;

    /// <summary>Warps of a block: one for each tile of rows, so that a step's codes are one copy of each thread.</summary>
    public int Warps => Outputs / WarpOutputs * TokenWarps;

    /// <summary>Threads of a block.</summary>
    public int Threads => 32 * Warps;

    /// <summary>Bytes of a step's codes.</summary>
    public int CodeBytes => Outputs / Int4Tiles.TileRows * Int4Tiles.TileBytes;

    /// <summary>Bytes of a step: codes, and 128 of each token's values.</summary>
    public int StageBytes => CodeBytes + (Tokens * 2 * Int4Operand.HalfBytes);

    /// <summary>Bytes of a group's scales.</summary>
    public int ScaleBytes => Outputs * sizeof(float);

    /// <summary>Bytes of a group's scales and sums.</summary>
    public int AuxiliaryBytes => ScaleBytes + (Tokens * Int4Operand.SumBytes);

    /// <summary>Bytes of dynamic shared memory: the stages, and scales and sums of two groups.</summary>
    public int SharedBytes => (Stages * StageBytes) + (2 * AuxiliaryBytes);

    /// <summary>The kernel's name.</summary>
    public string Name(bool experts) => $"{(experts ? "expert_" : "")}matmul{Tokens}_int4";

    /// <summary>Tiles of tokens that a grid has for rows of one matrix, or at most of experts.</summary>
    public int TokenTiles(int rows, int experts) => experts == 0 ? (rows + Tokens - 1) / Tokens : Math.Min(rows, (rows + (experts * (Tokens - 1))) / Tokens);
}

/// <summary>
/// Writes the int4 product for many rows: y [rows, outputs] = x · Wᵀ with W in <see cref="Int4Tiles"/> and x in <see cref="Int4Operand"/>, the
/// operands of the matrix-vector kernels. Weights are the matrix instruction's rows, tokens its columns. A block computes a tile of outputs and
/// tokens over all columns, 64 at a time, from a ring of steps in shared memory that asynchronous copies fill; codes become bfloat16 in
/// registers. Sums stay in units of the current group's scale: where a group begins they are multiplied by the quotient of the two scales.
/// </summary>
internal sealed partial class Int4GemmPtx
{
    /// <summary>The first architecture with what the kernels are made of.</summary>
    public const int FirstSm = 80;

    private const int Stages = Int4GemmSize.Stages;
    private const int TileBytes = Int4Tiles.TileBytes;
    private const int RowBytes = 2 * Int4Operand.HalfBytes;
    private const int Pieces = RowBytes / 16;

    private readonly KernelWriter _k;
    private readonly Int4GemmSize _size;
    private readonly bool _experts;
    private readonly int _tiles;
    private readonly int _eights;
    private readonly int _rowsOfCopy;
    private readonly Registers _r;

    private Int4GemmPtx(KernelWriter writer, Int4GemmSize size, bool experts)
    {
        (_k, _size, _experts) = (writer, size, experts);
        _tiles = size.WarpOutputs / Int4Tiles.TileRows;
        _eights = size.WarpTokens / MatrixFragments.N;
        _rowsOfCopy = size.Threads / Pieces;
        _k.Shared("stages", Stages * size.StageBytes, $"{Stages} steps of {size.StageBytes} bytes: codes [{size.Outputs / Int4Tiles.TileRows}][{TileBytes}], values [{size.Tokens}][{RowBytes}], of odd tokens the halves exchanged");
        _k.Shared("auxiliary", 2 * size.AuxiliaryBytes, $"2 groups of {size.AuxiliaryBytes} bytes: scales [{size.Outputs / Int4Tiles.UnitRows}][8][4] f32, sums [{size.Tokens}][8] f32");
        _r = new Registers(writer, _tiles, _eights, size.Tokens / _rowsOfCopy);
    }

    /// <summary>The sizes, those for fewer rows first.</summary>
    public static IReadOnlyList<Int4GemmSize> Sizes { get; } = [new(64, 64, 32, 32, BlocksPerProcessor: 3), new(128, 128, 64, 32, BlocksPerProcessor: 1)];

    /// <summary>Writes a kernel.</summary>
    /// <param name="size">What a block computes.</param>
    /// <param name="experts">Rows in the order of experts, each with its expert's weights.</param>
    /// <param name="sm">Compute capability: 80, or 90 with programmatic dependent launch.</param>
    public static KernelWriter Write(Int4GemmSize size, bool experts, int sm)
    {
        var writer = new KernelWriter(size.Name(experts), sm, size.Threads, size.BlocksPerProcessor,
            $"y = x * W^T: W int4 in tiles, x bf16, sums f32{(experts ? ", rows in the order of experts" : "")}; sm_{sm}{(sm >= 90 ? " with programmatic dependent launch" : "")}.\n"
            + "Written by Int4GemmPtx; docs/kernels/int4-matmul.md says why it is as it is.\n"
            + $"grid (outputs / {size.Outputs}, {(experts ? $"tiles of {size.Tokens} rows of an expert, at most; the rest ends at once" : $"rows / {size.Tokens}")}), block {size.Threads}");
        new Int4GemmPtx(writer, size, experts).Body();
        return writer;
    }

    private void Body()
    {
        Parameter<GlobalAddress> weights = _k.View("weights", $"{(_experts ? "[experts]" : "")}[units of 32 rows][2][inner / 64][512] bytes: Int4Tiles");
        Parameter<GlobalAddress> scales = _k.View("scales", $"{(_experts ? "[experts]" : "")}[units][inner / 128][8][4] f32");
        Parameter<GlobalAddress> x = _k.View("x", "[rows][inner / 128][288] bytes: Int4Operand");
        Parameter<GlobalAddress>? starts = _experts ? _k.View("starts", "[experts + 1] s32: an expert's first row") : null;
        Parameter<GlobalAddress>? bias = _experts ? null : _k.View("bias", "[outputs] f32, or empty");
        Parameter<GlobalAddress> y = _k.View("y", "[rows][outputs] f32");
        Parameter<GlobalAddress>? rowCount = _experts ? null : _k.View("row_count", "[1] s32: rows of x that mean something");
        Parameter<U32> outputs = _k.Value("outputs", "rows of W");
        Parameter<U32> inner = _k.Value("inner", "columns of W, a multiple of 128");

        Label done = _k.NewLabel("DONE"), loop = _k.NewLabel("LOOP"), end = _k.NewLabel("END");
        _k.Comment("who is who");
        _k.ThreadIndex(_r.Thread);
        _k.And(_r.Lane, _r.Thread, 31);
        _k.ShiftRight(_r.Warp, _r.Thread, 5);
        _k.ShiftRight(_r.G, _r.Lane, 2);
        _k.And(_r.T, _r.Lane, 3);
        _k.And(_r.Piece, _r.Thread, Pieces - 1);
        _k.Load(_r.Inner, inner);
        _k.Load(_r.Outputs, outputs);
        _k.ShiftRight(_r.Left, _r.Inner, 7);
        _k.BlockX(_r.Output);
        _k.Multiply(_r.Output, _r.Output, _size.Outputs);
        _k.Add(_r.Units, _r.Outputs, Int4Tiles.UnitRows - 1);
        _k.ShiftRight(_r.Units, _r.Units, 5);
        if (_experts)
        {
            _k.LaunchDependents();
            _k.WaitForPredecessor();
            Expert(starts!.Value, end);
        }
        else
        {
            Rows(rowCount!.Value, end);
        }
        Weights(weights, scales);
        Values(x);
        Shared();
        Fill();
        _k.Comment("sums, in units of 1 before the first group");
        foreach (Vec4<F32> sum in _r.Sum)
        {
            for (int c = 0; c < 4; c++)
            {
                _k.Move(sum[c], 0f);
            }
        }
        for (int tile = 0; tile < 2 * _tiles; tile++)
        {
            _k.Move(Scale(tile), 1f);
        }
        _k.Place(loop);
        for (int slot = 0; slot < Stages; slot++)
        {
            Step(slot, done);
        }
        _k.BranchUniform(loop);
        _k.Place(done);
        Results(y, bias);
        _k.Place(end);
        _k.Return();
    }

    /// <summary>The block's rows of one matrix. A tile beyond the last that means something ends at once: a grid may be for more.</summary>
    private void Rows(Parameter<GlobalAddress> rowCount, Label end)
    {
        _k.Comment("its rows; no grid before writes how many there are");
        _k.BlockY(_r.First);
        _k.Multiply(_r.First, _r.First, _size.Tokens);
        _k.Load(_r.Pointer, rowCount);
        _k.Load(_r.Valid, _r.Pointer);
        _k.Less(_r.Take, _r.First, _r.Valid);
        _k.Unless(_r.Take, () => _k.BranchUniform(end));
        _k.Subtract(_r.Valid, _r.Valid, _r.First);
        _k.Minimum(_r.Valid, _r.Valid, _size.Tokens);
    }

    /// <summary>The block's rows of an expert: the tiles of all experts are counted through. Nothing but routing's starts is needed.</summary>
    private void Expert(Parameter<GlobalAddress> starts, Label end)
    {
        _k.Comment("the expert that has this tile of rows, which of its tiles it is");
        Label next = _k.NewLabel("NEXT"), found = _k.NewLabel("FOUND");
        _k.BlockY(_r.Row);
        _k.LoadElements(_r.Count, starts);
        _k.Load(_r.Pointer, starts);
        _k.Load(_r.First, _r.Pointer);
        _k.Move(_r.Expert, 0);
        _k.Place(next);
        _k.Load(_r.Valid, _r.Pointer.At(sizeof(int)));
        _k.Subtract(_r.Work, _r.Valid, _r.First);
        _k.Add(_r.Work, _r.Work, _size.Tokens - 1);
        _k.ShiftRight(_r.Work, _r.Work, int.Log2(_size.Tokens));
        _k.Less(_r.Take, _r.Row, _r.Work);
        _k.When(_r.Take, () => _k.BranchUniform(found));
        _k.Subtract(_r.Row, _r.Row, _r.Work);
        _k.Move(_r.First, _r.Valid);
        _k.Advance(_r.Pointer, _r.Pointer, sizeof(int));
        _k.Add(_r.Expert, _r.Expert, 1);
        _k.Add(_r.Work, _r.Expert, 1);
        _k.Less(_r.Take, _r.Work, _r.Count);
        _k.When(_r.Take, () => _k.BranchUniform(next));
        _k.BranchUniform(end);
        _k.Place(found);
        _k.MultiplyAdd(_r.First, _r.Row, _size.Tokens, _r.First);
        _k.Subtract(_r.Valid, _r.Valid, _r.First);
        _k.Minimum(_r.Valid, _r.Valid, _size.Tokens);
    }

    /// <summary>From where the thread copies weights: a tile of rows a warp, 16 bytes a lane. What is beyond the last unit repeats it and is never stored.</summary>
    private void Weights(Parameter<GlobalAddress> weights, Parameter<GlobalAddress> scales)
    {
        _k.Comment("from where this thread copies codes");
        _k.Load(_r.Codes, weights);
        _k.ShiftRight(_r.Row, _r.Output, 4);
        _k.Add(_r.Row, _r.Row, _r.Warp);
        _k.ShiftLeft(_r.Work, _r.Units, 1);
        _k.Subtract(_r.Work, _r.Work, 1);
        _k.Minimum(_r.Row, _r.Row, _r.Work);
        if (_experts)
        {
            _k.Add(_r.Work, _r.Work, 1);
            _k.MultiplyAdd(_r.Row, _r.Work, _r.Expert, _r.Row);
        }
        // A row of tiles has inner / 64 of them: 8 bytes a column.
        _k.ShiftLeft(_r.Work, _r.Inner, 3);
        _k.Advance(_r.Codes, _r.Codes, _r.Row, _r.Work);
        _k.Advance(_r.Codes, _r.Codes, _r.Lane, 16);

        _k.Comment("and scales: eight threads a unit");
        _k.Load(_r.Scales, scales);
        _k.ShiftRight(_r.Row, _r.Output, 5);
        _k.ShiftRight(_r.Work, _r.Thread, 3);
        _k.Add(_r.Row, _r.Row, _r.Work);
        _k.Subtract(_r.Work, _r.Units, 1);
        _k.Minimum(_r.Row, _r.Row, _r.Work);
        if (_experts)
        {
            _k.MultiplyAdd(_r.Row, _r.Units, _r.Expert, _r.Row);
        }
        _k.Multiply(_r.Row, _r.Row, _r.Left);
        _k.Advance(_r.Scales, _r.Scales, _r.Row, Int4Tiles.ScaleBytes);
        _k.Advance(_r.Scales, _r.Scales, _r.Piece, 16);
        _k.Less(_r.Scaling, _r.Thread, _size.ScaleBytes / 16);
    }

    /// <summary>From where the thread copies values: a piece of some rows. Rows beyond the last repeat it: their columns are never stored.</summary>
    private void Values(Parameter<GlobalAddress> x)
    {
        _k.Comment("and values: eight threads a row, the first two of them its sums");
        _k.Load(_r.Pointer, x);
        _k.Multiply(_r.Work, _r.Left, Int4Operand.GroupBytes);
        _k.Advance(_r.Pointer, _r.Pointer, _r.First, _r.Work);
        _k.Advance(_r.Pointer, _r.Pointer, _r.Piece, 16);
        _k.Subtract(_r.Last, _r.Valid, 1);
        for (int i = 0; i < _r.Values.Length; i++)
        {
            _k.ShiftRight(_r.Row, _r.Thread, 3);
            if (i > 0)
            {
                _k.Add(_r.Row, _r.Row, i * _rowsOfCopy);
            }
            _k.Minimum(_r.Row, _r.Row, _r.Last);
            _k.Advance(_r.Values[i], _r.Pointer, _r.Row, _r.Work);
        }
        _k.Less(_r.Summing, _r.Piece, Int4Operand.SumBytes / 16);
    }

    private void Shared()
    {
        int stages = Stages * _size.StageBytes;
        _k.Comment("to where: a row's pieces in their order, of odd rows the halves exchanged");
        _k.SharedBase(_r.Base);
        _k.Advance(_r.ToCodes, _r.Base, _r.Thread, 16);
        _k.ShiftRight(_r.Row, _r.Thread, 3);
        _k.Advance(_r.ToSums, _r.Base, _r.Row, Int4Operand.SumBytes);
        _k.Advance(_r.ToSums, _r.ToSums, _r.Piece, 16);
        _k.Advance(_r.ToSums, _r.ToSums, stages + _size.ScaleBytes);
        _k.Advance(_r.ToValues, _r.Base, _r.Row, RowBytes);
        _k.And(_r.Row, _r.Row, 1);
        _k.ShiftLeft(_r.Row, _r.Row, 2);
        _k.Xor(_r.Row, _r.Row, _r.Piece);
        _k.Advance(_r.ToValues, _r.ToValues, _r.Row, 16);

        _k.Comment("from where this lane reads: the warp's tiles of rows and tokens");
        _k.ShiftRight(_r.WarpOutput, _r.Warp, int.Log2(_size.TokenWarps));
        _k.Multiply(_r.WarpOutput, _r.WarpOutput, _size.WarpOutputs);
        _k.And(_r.WarpToken, _r.Warp, _size.TokenWarps - 1);
        _k.Multiply(_r.WarpToken, _r.WarpToken, _size.WarpTokens);
        _k.Advance(_r.OfCodes, _r.Base, _r.WarpOutput, TileBytes / Int4Tiles.TileRows);
        _k.Advance(_r.OfCodes, _r.OfCodes, _r.Lane, 16);
        _k.Advance(_r.OfScales, _r.Base, _r.WarpOutput, sizeof(float));
        _k.Advance(_r.OfScales, _r.OfScales, _r.G, 16);
        // The sums of the tokens 2t; four lanes take another copy each, so that they meet in no bank.
        _k.Advance(_r.OfSums, _r.Base, _r.WarpToken, Int4Operand.SumBytes);
        _k.Advance(_r.OfSums, _r.OfSums, _r.T, (2 * Int4Operand.SumBytes) + sizeof(float));
        _k.Add(_r.Row, _r.WarpToken, _r.G);
        _k.And(_r.Work, _r.G, 1);
        _k.ShiftLeft(_r.Work, _r.Work, 2);
        for (int half = 0; half < 2; half++)
        {
            _k.Advance(_r.OfValues[half], _r.Base, _r.Row, RowBytes);
            if (half > 0)
            {
                _k.Xor(_r.Work, _r.Work, Pieces / 2);
            }
            _k.Advance(_r.OfValues[half], _r.OfValues[half], _r.Work, 16);
            _k.Advance(_r.OfValues[half], _r.OfValues[half], _r.T, 16);
        }
    }

    /// <summary>The first steps. Weights depend on no other grid: where grids overlap, their copies are under way before the wait.</summary>
    private void Fill()
    {
        _k.Comment("the first steps: a group, and half of the next");
        bool early = _k.HasDependentLaunch && !_experts;
        if (early)
        {
            CopyCodes(step: 0);
            CopyCodes(step: 1);
            _k.LaunchDependents();
            _k.WaitForPredecessor();
        }
        for (int step = 0; step < 2; step++)
        {
            if (!early)
            {
                CopyCodes(step);
            }
            CopyValues(step);
            _k.CommitCopies();
        }
        Advance();
        _k.Greater(_r.More, _r.Left, 1);
        Copy(step: 2);
        _k.CommitCopies();
    }

    /// <summary>The scale of a warp's rows 16 · (of / 2) + 8 · (of % 2) + g.</summary>
    private Reg<F32> Scale(int of) => _r.Scale[of / 4][of % 4];
}
