using Llama4Kernels.Kernels.Ptx;
using Llama4Kernels.Kernels.Quantization;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>
/// What products for few rows on tensor cores have in common where weights lie in rows as they are stored: y [rows, outputs] = x · Wᵀ. Weights are
/// the matrix instruction's rows, tokens its columns; a <see cref="VectorTile"/> says what a block computes. Asynchronous copies fill a
/// warp's ring: its depth is the number of bytes on the way, whatever an assembler does. A weight's format says how what
/// <c>ldmatrix</c> brings becomes fragments, and what becomes of a sum.
/// </summary>
internal abstract partial class VectorProductPtx<T>
    where T : struct, IPairType
{
    private const int PitchBytes = (VectorTile.Outputs + 4) * sizeof(float);
    private const int Pieces = VectorTile.StepBytes / 16;
    private const int CopiedRows = 32 / Pieces;
    private const int CopiesOfLane = VectorTile.Outputs / CopiedRows;

    private readonly int _halves, _groupBytes;

    /// <summary>Begins a kernel.</summary>
    /// <param name="writer">Writes it.</param>
    /// <param name="tile">What a block computes.</param>
    /// <param name="experts">Rows in the order of experts.</param>
    /// <param name="groupBytes">Bytes of 128 values of x.</param>
    protected VectorProductPtx(KernelWriter writer, VectorTile tile, bool experts, int groupBytes)
    {
        (K, Tile, Experts, _groupBytes) = (writer, tile, experts, groupBytes);
        _halves = tile.StepColumns / 32;
        K.Shared("ring", tile.SharedBytes, $"{VectorTile.Warps} warps, {tile.Depth} steps of {tile.SlotBytes} bytes: weights [{VectorTile.Outputs}][{VectorTile.StepBytes}], pieces of 16 bytes exchanged, values {tile.ValueBytes}; at the end each warp's sums [rows][{PitchBytes / 4}] f32");
        R = new Registers(writer, tile.Eights);
    }

    /// <summary>Writes the kernel.</summary>
    protected KernelWriter K { get; }

    /// <summary>What a block computes.</summary>
    protected VectorTile Tile { get; }

    /// <summary>Rows in the order of experts, each with its expert's weights.</summary>
    protected bool Experts { get; }

    /// <summary>The registers that all have.</summary>
    protected Registers R { get; }

    /// <summary>Bytes from a warp's step of values to its next, four on.</summary>
    private int ValueStride => VectorTile.Warps * Tile.StepColumns / Int4Tiles.GroupColumns * _groupBytes;

    /// <summary>What a kernel's head says.</summary>
    protected static string Summary(VectorTile tile, bool experts, int sm, string weights, string page) =>
        $"y = x * W^T: {weights}, sums f32. Up to {tile.Rows} row{(tile.Rows == 1 ? "" : "s")} at once{(experts ? ", in the order of experts" : "")}; sm_{sm}{(sm >= 90 ? " with programmatic dependent launch" : "")}.\n"
        + $"{page} says why it is as it is.\n"
        + $"grid (outputs / {VectorTile.Outputs}, {(experts ? "rows: a block works if its row is the first of a slice of its expert" : $"rows / {tile.Rows}")}), block {VectorTile.Threads}";

    /// <summary>The parameters of the weights, of which the first.</summary>
    protected abstract Parameter<GlobalAddress> DeclareWeights();

    /// <summary>The parameters of x, of which the first.</summary>
    protected abstract Parameter<GlobalAddress> DeclareOperand();

    /// <summary>What there is before the first step, beside sums of zero.</summary>
    protected virtual void BeginSums()
    {
    }

    /// <summary>The fragment of a tile of 16 outputs and a block of 16 columns.</summary>
    /// <param name="at">The step's place in the ring.</param>
    /// <param name="tile">The tile.</param>
    /// <param name="block">The block.</param>
    protected abstract void Fragment(int at, int tile, int block);

    /// <summary>What becomes of a warp's sums after its last step.</summary>
    protected virtual void EndSums()
    {
    }

    /// <summary>What results need, of the lane's output, if there is one (<see cref="Registers.Take"/>), and from the warp's first row on (<see cref="Registers.Row"/>).</summary>
    protected virtual void BeginResults()
    {
    }

    /// <summary>A result of a row's sum, before its bias; rows come one after another.</summary>
    protected virtual void Finish(Reg<F32> sum)
    {
    }

    /// <summary>The whole kernel.</summary>
    protected void Body()
    {
        Parameter<GlobalAddress> weights = DeclareWeights();
        Parameter<GlobalAddress> x = DeclareOperand();
        Parameter<GlobalAddress>? rowExperts = Experts ? K.View("row_experts", "[rows] s32: a row's expert") : null;
        Parameter<GlobalAddress>? starts = Experts ? K.View("starts", "[experts + 1] s32: an expert's first row") : null;
        Parameter<GlobalAddress>? bias = Experts ? null : K.View("bias", "[outputs] f32, or empty");
        Parameter<GlobalAddress> y = K.View("y", "[rows][outputs] f32");
        Parameter<GlobalAddress>? rowCount = Experts ? null : K.View("row_count", "[1] s32: rows of x that mean something");
        Parameter<U32> outputs = K.Value("outputs", "rows of W");
        Parameter<U32> inner = K.Value("inner", "columns of W, a multiple of 128");

        Label done = K.NewLabel("DONE"), loop = K.NewLabel("LOOP"), end = K.NewLabel("END");
        K.Comment("who is who");
        K.ThreadIndex(R.Thread);
        K.And(R.Lane, R.Thread, 31);
        K.ShiftRight(R.Warp, R.Thread, 5);
        K.ShiftRight(R.G, R.Lane, 2);
        K.And(R.Quarter, R.Lane, 3);
        K.And(R.Piece, R.Lane, Pieces - 1);
        K.BlockX(R.Output);
        K.Multiply(R.Output, R.Output, VectorTile.Outputs);
        K.Load(R.Inner, inner);
        K.Load(R.Outputs, outputs);
        K.Load(R.Y, y);
        K.EvictFirst(R.Policy);
        if (Experts)
        {
            K.LaunchDependents();
            K.WaitForPredecessor();
            Expert(rowExperts!.Value, starts!.Value, end);
        }
        else
        {
            Rows(rowCount!.Value, end);
        }
        K.Comment("steps that are this warp's: every fourth");
        K.ShiftRight(R.Left, R.Inner, int.Log2(Tile.StepColumns));
        K.Add(R.Left, R.Left, VectorTile.Warps - 1);
        K.Subtract(R.Left, R.Left, R.Warp);
        K.ShiftRight(R.Left, R.Left, int.Log2(VectorTile.Warps));
        PointAtWeights(weights);
        PointAtValues(x);
        Place();
        Fill();
        K.Comment("sums of this warp's steps");
        foreach (Vec4<F32> sum in R.Sum)
        {
            for (int c = 0; c < 4; c++)
            {
                K.Move(sum[c], 0f);
            }
        }
        BeginSums();
        K.Equal(R.Last, R.Left, 0);
        K.When(R.Last, () => K.BranchUniform(done));
        K.Place(loop);
        for (int slot = 0; slot < Tile.Depth; slot++)
        {
            Step(slot, done);
        }
        K.BranchUniform(loop);
        K.Place(done);
        EndSums();
        Reduce(bias, end);
        K.Place(end);
        K.Return();
    }

    /// <summary>The rows of this slice. What is beyond the last that means something ends at once: a grid may be for more.</summary>
    private void Rows(Parameter<GlobalAddress> rowCount, Label end)
    {
        K.Comment("its rows; no grid before writes how many there are");
        K.BlockY(R.First);
        K.Multiply(R.First, R.First, Tile.Rows);
        K.Load(R.Pointer, rowCount);
        K.Load(R.Valid, R.Pointer);
        K.Less(R.Last, R.First, R.Valid);
        K.Unless(R.Last, () => K.BranchUniform(end));
        K.Subtract(R.Valid, R.Valid, R.First);
        K.Minimum(R.Valid, R.Valid, Tile.Rows);
    }

    private void Expert(Parameter<GlobalAddress> rowExperts, Parameter<GlobalAddress> starts, Label end)
    {
        K.Comment(Tile.Rows == 1 ? "the row's expert" : "the row's expert, and whether a slice of that expert's rows begins here");
        K.BlockY(R.First);
        K.Load(R.Pointer, rowExperts);
        K.Advance(R.Pointer, R.Pointer, R.First, sizeof(int));
        K.Load(R.Expert, R.Pointer);
        if (Tile.Rows == 1)
        {
            K.Move(R.Valid, 1);
            return;
        }
        K.Load(R.Pointer, starts);
        K.Advance(R.Pointer, R.Pointer, R.Expert, sizeof(int));
        K.Load(R.Work, R.Pointer);
        K.Load(R.Valid, R.Pointer.At(sizeof(int)));
        K.Subtract(R.Work, R.First, R.Work);
        K.And(R.Work, R.Work, Tile.Rows - 1);
        K.NotEqual(R.Last, R.Work, 0);
        K.When(R.Last, () => K.BranchUniform(end));
        K.Subtract(R.Valid, R.Valid, R.First);
        K.Minimum(R.Valid, R.Valid, Tile.Rows);
    }

    /// <summary>From where a lane copies weights: eight lanes a row, four rows at once. What is beyond the last output repeats it and is never stored.</summary>
    private void PointAtWeights(Parameter<GlobalAddress> weights)
    {
        K.Comment("from where this lane copies weights: eight lanes a row");
        K.Load(R.Pointer, weights);
        K.Advance(R.Pointer, R.Pointer, R.Warp, VectorTile.StepBytes);
        K.Advance(R.Pointer, R.Pointer, R.Piece, 16);
        // A row's bytes: 128 for every step.
        K.ShiftLeft(R.RowBytes, R.Inner, int.Log2(VectorTile.StepBytes / Tile.StepColumns));
        K.Subtract(R.Work, R.Outputs, 1);
        for (int i = 0; i < CopiesOfLane; i++)
        {
            K.ShiftRight(R.Row, R.Lane, 3);
            K.Add(R.Row, R.Row, R.Output);
            if (i > 0)
            {
                K.Add(R.Row, R.Row, i * CopiedRows);
            }
            K.Minimum(R.Row, R.Row, R.Work);
            if (Experts)
            {
                K.MultiplyAdd(R.Row, R.Outputs, R.Expert, R.Row);
            }
            K.Advance(R.Weights[i], R.Pointer, R.Row, R.RowBytes);
        }
    }

    /// <summary>From where it copies values: of one row some lanes 16 bytes each, else each lane its own fragments.</summary>
    private void PointAtValues(Parameter<GlobalAddress> x)
    {
        K.Comment("and values");
        K.Load(R.Pointer, x);
        K.ShiftRight(R.RowBytes, R.Inner, int.Log2(Int4Tiles.GroupColumns));
        K.Multiply(R.RowBytes, R.RowBytes, _groupBytes);
        K.Advance(R.Pointer, R.Pointer, R.First, R.RowBytes);
        PointAtStep();
        if (Tile.Rows == 1)
        {
            K.Less(R.Copies, R.Lane, Tile.ValueBytes / 16);
            K.Advance(R.Values[0], R.Pointer, R.Lane, 16);
            return;
        }
        // Rows beyond the last repeat it: their columns are never stored.
        K.Subtract(R.Work, R.Valid, 1);
        for (int n = 0; n < Tile.Eights; n++)
        {
            K.Add(R.Row, R.G, MatrixFragments.N * n);
            K.Minimum(R.Row, R.Row, R.Work);
            K.Advance(R.Values[n], R.Pointer, R.Row, R.RowBytes);
            K.Advance(R.Values[n], R.Values[n], R.Quarter, 16);
        }
    }

    /// <summary>The warp's first step in a row of values.</summary>
    private void PointAtStep()
    {
        int steps = Int4Tiles.GroupColumns / Tile.StepColumns;
        K.ShiftRight(R.Row, R.Warp, int.Log2(steps));
        K.Advance(R.Pointer, R.Pointer, R.Row, _groupBytes);
        if (steps > 1)
        {
            K.And(R.Row, R.Warp, steps - 1);
            K.Advance(R.Pointer, R.Pointer, R.Row, Tile.StepColumns * 2);
        }
    }

    /// <summary>Where they go, and from where a lane reads.</summary>
    private void Place()
    {
        K.Comment("where to: pieces of a row exchanged; and from where this lane reads");
        K.SharedBase(R.Ring);
        K.Advance(R.Ring, R.Ring, R.Warp, Tile.RingBytes);
        K.Advance(R.Own, R.Ring, R.Lane, 16);
        K.Advance(R.ByT, R.Ring, R.Quarter, 16);
        for (int odd = 0; odd < 2; odd++)
        {
            // The rows lane / 8 and four on, modulo 8.
            K.ShiftRight(R.Row, R.Lane, 3);
            K.Advance(R.ToWeights[odd], R.Ring, R.Row, VectorTile.StepBytes);
            if (odd > 0)
            {
                K.Add(R.Row, R.Row, CopiedRows);
            }
            K.Xor(R.Row, R.Row, R.Piece);
            K.Advance(R.ToWeights[odd], R.ToWeights[odd], R.Row, 16);
        }
        K.And(R.Row, R.Lane, MatrixFragments.M - 1);
        K.Advance(R.OfWeights[0], R.Ring, R.Row, VectorTile.StepBytes);
        K.ShiftRight(R.Work, R.Lane, 4);
        K.Xor(R.Row, R.Piece, R.Work);
        for (int pair = R.OfWeights.Length - 1; pair >= 0; pair--)
        {
            // The piece 2 · pair + lane / 16, exchanged.
            K.Xor(R.Work, R.Row, 2 * pair);
            K.Advance(R.OfWeights[pair], R.OfWeights[0], R.Work, 16);
        }
    }

    /// <summary>The first steps. Weights depend on no other grid: where grids overlap, their copies are under way before the wait.</summary>
    private void Fill()
    {
        K.Comment("the ring's first steps");
        bool early = K.HasDependentLaunch && !Experts;
        for (int pass = early ? 0 : 1; pass < 2; pass++)
        {
            for (int slot = 0; slot < Tile.Depth; slot++)
            {
                K.Greater(R.More, R.Left, slot);
                if (pass == 0 || !early)
                {
                    CopyWeights(slot);
                }
                if (pass == 1)
                {
                    CopyValues(slot);
                    K.CommitCopies();
                }
            }
            if (pass == 0)
            {
                K.LaunchDependents();
                K.WaitForPredecessor();
            }
        }
    }
}
