using Llama4Kernels.Kernels.Ptx;
using Llama4Kernels.Kernels.Quantization;

namespace Llama4Kernels.Kernels.ExpertRouting;

/// <summary>
/// What the kernels of a row's feed-forward block have in common: 32 rows of int4 weights in <see cref="Int4Tiles"/> times one row of
/// <see cref="Int4Operand"/> on tensor cores. Four warps take groups of 128 columns, each through a ring in shared memory that asynchronous copies
/// fill, and add up in a fixed order. Weights that are not chosen by a router are on their way before the grid before has ended.
/// </summary>
internal abstract class FeedForwardPtx
{
    /// <summary>The first architecture with what the kernels are made of.</summary>
    public const int FirstSm = 80;

    /// <summary>Threads of a block.</summary>
    public const int Threads = 32 * Warps;

    /// <summary>Warps of a block.</summary>
    protected const int Warps = 4;

    /// <summary>Groups of a warp's ring.</summary>
    protected const int Depth = 5;

    /// <summary>Blocks of a multiprocessor that there shall be registers for.</summary>
    protected const int BlocksPerProcessor = 4;

    /// <summary>Bytes of a group's codes: two tiles of rows.</summary>
    protected const int CodeBytes = Tiles * 2 * Int4Tiles.TileBytes;

    private const int Tiles = 2;
    private const int AllLanes = 32;

    private readonly int _auxiliaryBytes, _slotBytes;

    /// <summary>Declares registers and shared memory.</summary>
    /// <param name="k">Writes the kernel.</param>
    /// <param name="scaleBytes">Bytes of a group's scales, which the first lanes copy, 16 bytes each.</param>
    /// <param name="operandBytes">Bytes of x and what belongs to it, which come behind.</param>
    protected FeedForwardPtx(KernelWriter k, int scaleBytes, int operandBytes)
    {
        (K, ScaleBytes) = (k, scaleBytes);
        _auxiliaryBytes = scaleBytes + operandBytes;
        _slotBytes = CodeBytes + _auxiliaryBytes;
        k.Shared("ring", Warps * Depth * _slotBytes, $"{Warps} warps, {Depth} groups of {_slotBytes} bytes: codes {CodeBytes}, scales {scaleBytes}, x {operandBytes}; at the end each warp's sums [{Int4Tiles.UnitRows}] f32");
        R = new FeedForwardRegisters(k);
    }

    /// <summary>Writes the kernel.</summary>
    protected KernelWriter K { get; }

    /// <summary>The registers.</summary>
    protected FeedForwardRegisters R { get; }

    /// <summary>Bytes of a group's scales.</summary>
    protected int ScaleBytes { get; }

    /// <summary>Bytes of dynamic shared memory of a kernel.</summary>
    protected static int RingBytes(int scaleBytes, int operandBytes) => Warps * Depth * (CodeBytes + scaleBytes + operandBytes);

    /// <summary>Who is who.</summary>
    protected void Identify()
    {
        K.Comment("who is who");
        K.ThreadIndex(R.Thread);
        K.And(R.Lane, R.Thread, 31);
        K.ShiftRight(R.Warp, R.Thread, 5);
        K.ShiftRight(R.G, R.Lane, 2);
        K.And(R.T, R.Lane, 3);
        K.BlockX(R.Unit);
        K.EvictFirst(R.Policy);
    }

    /// <summary>Where the ring lies, and which of the small parts a lane copies.</summary>
    /// <param name="scales">Where the lane's scales begin, if it copies some.</param>
    /// <param name="x">The row's operand, from the warp's first group on.</param>
    protected void Ring(Reg<GlobalAddress> scales, Reg<GlobalAddress> x)
    {
        int scaleLanes = ScaleBytes / 16;
        K.Comment("which small part this lane copies, and where to");
        K.Less(R.Scaling, R.Lane, scaleLanes);
        K.Less(R.Copies, R.Lane, Math.Min(AllLanes, _auxiliaryBytes / 16));
        K.Subtract(R.Work, R.Lane, scaleLanes);
        K.Advance(R.Auxiliary, x, R.Work, 16);
        K.Select(R.Auxiliary, scales, R.Auxiliary, R.Scaling);
        K.Select(R.Work, Int4Tiles.ScaleBytes, Int4Operand.GroupBytes, R.Scaling);
        K.Widen(R.Stride, R.Work);
        K.SharedBase(R.Ring);
        K.Advance(R.Ring, R.Ring, R.Warp, Depth * _slotBytes);
        K.Advance(R.Own, R.Ring, R.Lane, 16);
        K.Advance(R.ByG, R.Ring, R.G, 16);
        K.Advance(R.ByT, R.Ring, R.T, 16);
    }

    /// <summary>Copies the codes of the ring's first groups, from pointers that stay where they are.</summary>
    /// <param name="condition">Whether this warp does, beside having the group; null if it does anyway.</param>
    protected void CopyFirstCodes(Reg<Predicate>? condition)
    {
        for (int slot = 0; slot < Depth; slot++)
        {
            K.Greater(R.More, R.Left, slot);
            if (condition is Reg<Predicate> given)
            {
                K.And(R.More, R.More, given);
            }
            CopyCodes(slot * _slotBytes, slot * 2 * Int4Tiles.TileBytes);
        }
    }

    /// <summary>Copies what else the first groups need, a group of copies each; from here on pointers move.</summary>
    protected void CopyFirstParts()
    {
        for (int slot = 0; slot < Depth; slot++)
        {
            K.Greater(R.More, R.Left, slot);
            CopyParts(slot * _slotBytes);
            K.CommitCopies();
        }
        for (int i = 0; i < Tiles; i++)
        {
            K.Advance(R.Codes[i], R.Codes[i], Depth * 2 * Int4Tiles.TileBytes);
        }
    }

    /// <summary>All of the warp's groups, and its sums in shared memory.</summary>
    protected void Multiply()
    {
        Label done = K.NewLabel("DONE"), loop = K.NewLabel("LOOP");
        K.Comment("sums of this warp's groups");
        foreach (Reg<F32> sum in R.Sum)
        {
            K.Move(sum, 0f);
        }
        K.Equal(R.Last, R.Left, 0);
        K.When(R.Last, () => K.BranchUniform(done));
        K.Place(loop);
        for (int slot = 0; slot < Depth; slot++)
        {
            Group(slot, done);
        }
        K.BranchUniform(loop);
        K.Place(done);
        K.Comment("the warps' sums");
        // Where the warp's own ring was: its copies have landed and its lanes are behind the last barrier.
        K.Advance(R.Own, R.Ring, R.G, sizeof(float));
        K.Equal(R.Take, R.T, 0);
        for (int i = 0; i < R.Sum.Length; i++)
        {
            K.When(R.Take, () => K.Store(R.Own.At(i * 8 * sizeof(float)), R.Sum[i]));
        }
        K.BlockBarrier();
    }

    /// <summary>The sum of the lane's output, in the first warp; the others end.</summary>
    protected void AddUp(Reg<F32> total, Label end)
    {
        K.Comment("the first warp adds up: a lane an output");
        K.NotEqual(R.Last, R.Warp, 0);
        K.When(R.Last, () => K.BranchUniform(end));
        K.Advance(R.Own, R.Ring, R.Lane, sizeof(float));
        for (int warp = 0; warp < Warps; warp++)
        {
            K.Load(R.Scale[warp], R.Own.At(warp * Depth * _slotBytes));
        }
        K.Add(R.Scale.X, R.Scale.X, R.Scale.Y);
        K.Add(R.Scale.Z, R.Scale.Z, R.Scale.W);
        K.Add(total, R.Scale.X, R.Scale.Z);
    }

    /// <summary>Loads the scales of the rows g and g + 8 of the first tile, then of the second.</summary>
    /// <param name="at">Where they lie behind the ring's beginning.</param>
    protected abstract void LoadScales(int at);

    /// <summary>Copies what is more of a group than 16 bytes a lane.</summary>
    /// <param name="at">Where the small parts lie behind the lane's own place.</param>
    protected virtual void CopyMore(int at)
    {
    }

    /// <summary>Before a group's products: loads −24 times the sum of its values, unless they are added up on the way.</summary>
    /// <param name="at">Where it lies behind the ring's beginning.</param>
    /// <returns>Whether it is there.</returns>
    protected abstract bool LoadOffset(int at);

    private void CopyCodes(int slot, int offset)
    {
        for (int tile = 0; tile < Tiles; tile++)
        {
            for (int half = 0; half < 2; half++)
            {
                Address<SharedAddress> to = R.Own.At(slot + (((tile * 2) + half) * Int4Tiles.TileBytes));
                Address<GlobalAddress> from = R.Codes[tile].At(offset + (half * Int4Tiles.TileBytes));
                K.When(R.More, () => K.CopyAsync(to, from, R.Policy));
            }
        }
    }

    private void CopyParts(int slot)
    {
        K.And(R.Take, R.More, R.Copies);
        K.When(R.Take, () => K.CopyAsync(R.Own.At(slot + CodeBytes), R.Auxiliary));
        CopyMore(slot + CodeBytes);
        K.Advance(R.Auxiliary, R.Auxiliary, R.Stride);
    }

    private void Group(int number, Label done)
    {
        int slot = number * _slotBytes, x = slot + CodeBytes + ScaleBytes;
        K.Comment($"slot {number}");
        K.WaitForCopies(Depth - 1);
        K.WarpBarrier();
        LoadScales(slot + CodeBytes);
        bool isThere = LoadOffset(x + Int4Operand.ValueBytes);
        for (int half = 0; half < 2; half++)
        {
            for (int tile = 0; tile < Tiles; tile++)
            {
                K.Load(R.Word[tile], R.Own.At(slot + (((tile * 2) + half) * Int4Tiles.TileBytes)));
            }
            for (int part = 0; part < 2; part++)
            {
                K.Load(R.Value[part], R.ByT.At(x + (((half * 2) + part) * Int4Operand.HalfBytes)));
            }
            for (int block = 0; block < 4; block++)
            {
                Products(isFirst: half == 0 && block == 0, block, isThere);
            }
        }
        // Rows g, g + 8 of the first tile, then of the second; the instruction's columns are all alike.
        for (int i = 0; i < R.Sum.Length; i++)
        {
            Reg<F32> part = R.Part[i / 2][2 * (i % 2)];
            if (!isThere)
            {
                K.Add(part, part, R.Offset.X);
            }
            K.MultiplyAdd(R.Sum[i], part, R.Scale[i], R.Sum[i]);
        }
        K.Comment("the slot's next group");
        K.Greater(R.More, R.Left, Depth);
        K.WarpBarrier();
        CopyCodes(slot, 0);
        for (int i = 0; i < Tiles; i++)
        {
            K.Advance(R.Codes[i], R.Codes[i], 2 * Int4Tiles.TileBytes);
        }
        CopyParts(slot);
        K.CommitCopies();
        K.Subtract(R.Left, R.Left, 1);
        K.Equal(R.Last, R.Left, 0);
        K.When(R.Last, () => K.BranchUniform(done));
    }

    /// <summary>16 columns: a matrix instruction a tile of rows, and one that adds up −24 times the values where nobody has.</summary>
    private void Products(bool isFirst, int block, bool isThere)
    {
        Vec4<Bf16x2> b = R.Value[block / 2];
        Vec2<Bf16x2> x = block % 2 == 0 ? new(b.X, b.Y) : new(b.Z, b.W);
        Vec4<F32> begin = isThere ? new(R.Offset.X, R.Offset.X, R.Offset.X, R.Offset.X) : R.Zero;
        if (!isThere)
        {
            K.MatrixMultiply(R.Offset, new(R.Weight, R.Weight, R.Weight, R.Weight), x, isFirst ? begin : R.Offset);
        }
        for (int tile = 0; tile < Tiles; tile++)
        {
            Int4TilesPtx.Decode(K, R.Word[tile][block], R.Shift, R.Fragment);
            K.MatrixMultiply(R.Part[tile], R.Fragment, x, isFirst ? begin : R.Part[tile]);
        }
    }
}
