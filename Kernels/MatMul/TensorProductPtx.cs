using Llama4Kernels.Kernels.Ptx;
using Llama4Kernels.Kernels.Quantization;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>
/// What products for many rows on tensor cores have in common, whatever their weights: y [rows, outputs] = x · Wᵀ with x in
/// the order of fragments. Weights are the matrix instruction's rows, tokens its columns. A block computes a tile of outputs and
/// tokens over all columns, 64 at a time, from a ring of steps in shared memory that asynchronous copies fill. A weight's format says what its copies
/// are, how they become fragments, and what happens where 128 columns begin and at the end.
/// </summary>
internal abstract partial class TensorProductPtx<T>
    where T : struct, IPairType
{
    /// <summary>Pieces of 16 bytes of a row.</summary>
    protected const int Pieces = TensorTile.RowBytes / 16;

    private const int RowBytes = TensorTile.RowBytes;

    private readonly int _weightBytes, _groupBytes;

    /// <summary>Begins a kernel.</summary>
    /// <param name="writer">Writes it.</param>
    /// <param name="tile">What a block computes.</param>
    /// <param name="experts">Rows in the order of experts.</param>
    /// <param name="weightBytes">Bytes of a step's weights.</param>
    /// <param name="weightsMeaning">Their order in shared memory.</param>
    /// <param name="groupBytes">Bytes of 128 values of x.</param>
    protected TensorProductPtx(KernelWriter writer, TensorTile tile, bool experts, int weightBytes, string weightsMeaning, int groupBytes)
    {
        (K, Tile, Experts, _weightBytes, _groupBytes) = (writer, tile, experts, weightBytes, groupBytes);
        StageBytes = weightBytes + (tile.Tokens * RowBytes);
        K.Shared("stages", tile.Stages * StageBytes, $"{tile.Stages} steps of {StageBytes} bytes: {weightsMeaning}, values [{tile.Tokens}][{RowBytes}], of odd tokens the halves exchanged");
        R = new Registers(writer, tile);
    }

    /// <summary>Writes the kernel.</summary>
    protected KernelWriter K { get; }

    /// <summary>What a block computes.</summary>
    protected TensorTile Tile { get; }

    /// <summary>Rows in the order of experts, each with its expert's weights.</summary>
    protected bool Experts { get; }

    /// <summary>The registers that all have.</summary>
    protected Registers R { get; }

    /// <summary>Bytes of a step.</summary>
    protected int StageBytes { get; }

    /// <summary>Steps that are under way while one is computed.</summary>
    private int Ahead => Tile.Stages - 1;

    /// <summary>The line of a kernel's head that says what its grid is.</summary>
    protected static string GridOf(TensorTile tile, bool experts) =>
        $"grid (outputs / {tile.Outputs}, {(experts ? $"tiles of {tile.Tokens} rows of an expert, at most; the rest ends at once" : $"rows / {tile.Tokens}")}), block {tile.Threads}";

    /// <summary>The parameters of the weights, in their order.</summary>
    protected abstract void DeclareWeights();

    /// <summary>The parameters of x, of which the first.</summary>
    protected virtual Parameter<GlobalAddress> DeclareOperand() => K.View("x", "[rows][inner / 128][288] bytes: Int4Operand");

    /// <summary>From where the thread copies weights; what is beyond the last output repeats it and is never stored.</summary>
    protected abstract void PointAtWeights();

    /// <summary>To where it copies them, and from where its warp reads.</summary>
    protected abstract void PlaceWeights();

    /// <summary>A step's weights, where there is such a step.</summary>
    /// <param name="place">The step's place.</param>
    /// <param name="half">Half of its 128 columns.</param>
    /// <param name="group">The group of 128, modulo 2.</param>
    /// <param name="more">Whether there is one; null for sure.</param>
    protected abstract void CopyWeights(int place, int half, int group, Reg<Predicate>? more);

    /// <summary>The weights' pointers move on by 128 columns.</summary>
    protected abstract void AdvanceWeights();

    /// <summary>What a step's products read at once.</summary>
    protected virtual void LoadWeights(int stage)
    {
    }

    /// <summary>What there is before the first group, beside sums of zero.</summary>
    protected virtual void BeginSums()
    {
    }

    /// <summary>The fragment of a tile of 16 outputs and a block of 16 columns.</summary>
    protected abstract void Fragment(int stage, int tile, int block);

    /// <summary>What comes of x with the first half of 128 columns beside its values.</summary>
    protected virtual void CopySums(int group, Reg<Predicate>? more)
    {
    }

    /// <summary>What happens to the sums where 128 columns begin.</summary>
    protected virtual void BeginGroup(int group)
    {
    }

    /// <summary>What becomes of the sums after the last step.</summary>
    protected virtual void EndSums()
    {
    }

    /// <summary>What results need of the lane's outputs.</summary>
    protected virtual void BeginResults()
    {
    }

    /// <summary>What they need of a token (<see cref="Registers.Row"/> of the block's), if there is one (<see cref="Registers.More"/>).</summary>
    protected virtual void BeginToken()
    {
    }

    /// <summary>A result of its sum and the bias, null for experts.</summary>
    /// <param name="sum">The sum; overwritten.</param>
    /// <param name="of">Which eight of the warp's outputs.</param>
    /// <param name="bias">The output's bias.</param>
    protected abstract void Finish(Reg<F32> sum, int of, Reg<F32>? bias);

    /// <summary>The whole kernel.</summary>
    protected void Body()
    {
        DeclareWeights();
        Parameter<GlobalAddress> x = DeclareOperand();
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
        K.And(R.Piece, R.Thread, Pieces - 1);
        K.Load(R.Inner, inner);
        K.Load(R.Outputs, outputs);
        K.ShiftRight(R.Left, R.Inner, 7);
        K.BlockX(R.Output);
        K.Multiply(R.Output, R.Output, Tile.Outputs);
        if (Experts)
        {
            K.LaunchDependents();
            K.WaitForPredecessor();
            Expert(starts!.Value, end);
        }
        else
        {
            Rows(rowCount!.Value, end);
        }
        PointAtWeights();
        PointAtValues(x);
        PlaceValues();
        PlaceWeights();
        Fill();
        K.Comment("sums");
        foreach (Vec4<F32> sum in R.Sum)
        {
            for (int c = 0; c < 4; c++)
            {
                K.Move(sum[c], 0f);
            }
        }
        BeginSums();
        K.Place(loop);
        // Places and halves are constants: as many steps as both repeat after.
        for (int step = 0; step < (Tile.Stages % 2 == 0 ? Tile.Stages : 2 * Tile.Stages); step++)
        {
            Step(step, done);
        }
        K.BranchUniform(loop);
        K.Place(done);
        EndSums();
        Results(y, bias);
        K.Place(end);
        K.Return();
    }

    /// <summary>The block's rows of one matrix. A tile beyond the last that means something ends at once: a grid may be for more.</summary>
    private void Rows(Parameter<GlobalAddress> rowCount, Label end)
    {
        K.Comment("its rows; no grid before writes how many there are");
        K.BlockY(R.First);
        K.Multiply(R.First, R.First, Tile.Tokens);
        K.Load(R.Pointer, rowCount);
        K.Load(R.Valid, R.Pointer);
        K.Less(R.Take, R.First, R.Valid);
        K.Unless(R.Take, () => K.BranchUniform(end));
        K.Subtract(R.Valid, R.Valid, R.First);
        K.Minimum(R.Valid, R.Valid, Tile.Tokens);
    }

    /// <summary>The block's rows of an expert: the tiles of all experts are counted through. Nothing but routing's starts is needed.</summary>
    private void Expert(Parameter<GlobalAddress> starts, Label end)
    {
        K.Comment("the expert that has this tile of rows, which of its tiles it is");
        Label next = K.NewLabel("NEXT"), found = K.NewLabel("FOUND");
        K.BlockY(R.Row);
        K.LoadElements(R.Count, starts);
        K.Load(R.Pointer, starts);
        K.Load(R.First, R.Pointer);
        K.Move(R.Expert, 0);
        K.Place(next);
        K.Load(R.Valid, R.Pointer.At(sizeof(int)));
        K.Subtract(R.Work, R.Valid, R.First);
        K.Add(R.Work, R.Work, Tile.Tokens - 1);
        K.ShiftRight(R.Work, R.Work, int.Log2(Tile.Tokens));
        K.Less(R.Take, R.Row, R.Work);
        K.When(R.Take, () => K.BranchUniform(found));
        K.Subtract(R.Row, R.Row, R.Work);
        K.Move(R.First, R.Valid);
        K.Advance(R.Pointer, R.Pointer, sizeof(int));
        K.Add(R.Expert, R.Expert, 1);
        K.Add(R.Work, R.Expert, 1);
        K.Less(R.Take, R.Work, R.Count);
        K.When(R.Take, () => K.BranchUniform(next));
        K.BranchUniform(end);
        K.Place(found);
        K.MultiplyAdd(R.First, R.Row, Tile.Tokens, R.First);
        K.Subtract(R.Valid, R.Valid, R.First);
        K.Minimum(R.Valid, R.Valid, Tile.Tokens);
    }

    /// <summary>From where the thread copies values: a piece of some rows. Rows beyond the last repeat it: their columns are never stored.</summary>
    private void PointAtValues(Parameter<GlobalAddress> x)
    {
        K.Comment("and values: eight threads a row");
        K.Load(R.Pointer, x);
        K.Multiply(R.Work, R.Left, _groupBytes);
        K.Advance(R.Pointer, R.Pointer, R.First, R.Work);
        K.Advance(R.Pointer, R.Pointer, R.Piece, 16);
        K.Subtract(R.Last, R.Valid, 1);
        for (int i = 0; i < R.Values.Length; i++)
        {
            K.ShiftRight(R.Row, R.Thread, 3);
            if (i > 0)
            {
                K.Add(R.Row, R.Row, i * Tile.CopiedRows);
            }
            K.Minimum(R.Row, R.Row, R.Last);
            K.Advance(R.Values[i], R.Pointer, R.Row, R.Work);
        }
    }

    /// <summary>To where the thread copies values: a row's pieces in their order, of odd rows the halves exchanged; and from where its lane reads the warp's.</summary>
    private void PlaceValues()
    {
        K.Comment("to where: a row's pieces in their order, of odd rows the halves exchanged");
        K.SharedBase(R.Base);
        K.ShiftRight(R.Row, R.Thread, 3);
        K.Advance(R.ToValues, R.Base, R.Row, RowBytes);
        K.And(R.Row, R.Row, 1);
        K.ShiftLeft(R.Row, R.Row, 2);
        K.Xor(R.Row, R.Row, R.Piece);
        K.Advance(R.ToValues, R.ToValues, R.Row, 16);

        K.Comment("from where this lane reads: the warp's tiles of outputs and tokens");
        K.ShiftRight(R.WarpOutput, R.Warp, int.Log2(Tile.TokenWarps));
        K.Multiply(R.WarpOutput, R.WarpOutput, Tile.WarpOutputs);
        K.And(R.WarpToken, R.Warp, Tile.TokenWarps - 1);
        K.Multiply(R.WarpToken, R.WarpToken, Tile.WarpTokens);
        K.Add(R.Row, R.WarpToken, R.G);
        K.And(R.Work, R.G, 1);
        K.ShiftLeft(R.Work, R.Work, 2);
        for (int half = 0; half < 2; half++)
        {
            K.Advance(R.OfValues[half], R.Base, R.Row, RowBytes);
            if (half > 0)
            {
                K.Xor(R.Work, R.Work, Pieces / 2);
            }
            K.Advance(R.OfValues[half], R.OfValues[half], R.Work, 16);
            K.Advance(R.OfValues[half], R.OfValues[half], R.Quarter, 16);
        }
    }

    /// <summary>The first steps. Weights depend on no other grid: where grids overlap, those of the first group are under way before the wait.</summary>
    private void Fill()
    {
        K.Comment("the first steps");
        bool early = K.HasDependentLaunch && !Experts;
        if (early)
        {
            CopyWeights(place: 0, half: 0, group: 0, more: null);
            CopyWeights(place: 1, half: 1, group: 0, more: null);
            K.LaunchDependents();
            K.WaitForPredecessor();
        }
        for (int step = 0; step < Ahead; step++)
        {
            (int half, int group) = (step % 2, step / 2);
            Reg<Predicate>? more = group > 0 ? R.More : null;
            if (group > 0 && half == 0)
            {
                Advance();
                K.Greater(R.More, R.Left, group);
            }
            if (!early || group > 0)
            {
                CopyWeights(step, half, group, more);
            }
            CopyValues(step, half, group, more);
            K.CommitCopies();
        }
    }
}
