using Llama4Kernels.Kernels.Ptx;
using Llama4Kernels.Kernels.Quantization;

namespace Llama4Kernels.Kernels.MatMul;

/// <content>What a warp does with a step, the results and the registers.</content>
internal abstract partial class VectorProductPtx<T>
{
    private const int Tiles = VectorTile.Outputs / MatrixFragments.M;

    private void Step(int slot, Label done)
    {
        int at = slot * Tile.SlotBytes;
        K.Comment($"slot {slot}");
        K.WaitForCopies(Tile.Depth - 1);
        K.WarpBarrier();
        for (int half = 0; half < _halves; half++)
        {
            for (int n = 0; n < Tile.Eights; n++)
            {
                Address<SharedAddress> from = Tile.Rows == 1
                    ? R.ByT.At(at + VectorTile.WeightBytes + (half * Int4Operand.HalfBytes))
                    : R.Own.At(at + VectorTile.WeightBytes + (((n * _halves) + half) * 512));
                K.Load(R.Value[n], from);
            }
            for (int block = 0; block < 2; block++)
            {
                for (int tile = 0; tile < Tiles; tile++)
                {
                    Fragment(at, tile, (2 * half) + block);
                    for (int n = 0; n < Tile.Eights; n++)
                    {
                        Vec4<F32> sum = R.Sum[(tile * Tile.Eights) + n];
                        Vec4<T> value = R.Value[n];
                        K.MatrixMultiply(sum, R.Fragment, block == 0 ? new(value.X, value.Y) : new(value.Z, value.W), sum);
                    }
                }
            }
        }
        K.Comment("the slot's next step");
        K.Greater(R.More, R.Left, Tile.Depth);
        K.WarpBarrier();
        CopyWeights(slot);
        CopyValues(slot);
        K.CommitCopies();
        K.Subtract(R.Left, R.Left, 1);
        K.Equal(R.Last, R.Left, 0);
        K.When(R.Last, () => K.BranchUniform(done));
    }

    /// <summary>
    /// Weights of a slot's next step, where <see cref="Registers.More"/> holds: 512 bytes behind those of the slot before. Pointers move once
    /// a turn of the ring, and always: an assembler makes selections of what is guarded.
    /// </summary>
    private void CopyWeights(int slot)
    {
        const int StrideBytes = VectorTile.Warps * VectorTile.StepBytes;
        for (int i = 0; i < CopiesOfLane; i++)
        {
            Address<SharedAddress> to = R.ToWeights[i % 2].At((slot * Tile.SlotBytes) + (i * CopiedRows * VectorTile.StepBytes));
            Address<GlobalAddress> from = R.Weights[i].At(slot * StrideBytes);
            K.When(R.More, () => K.CopyAsync(to, from, R.Policy));
        }
        if (slot == Tile.Depth - 1)
        {
            foreach (Reg<GlobalAddress> weights in R.Weights)
            {
                K.Advance(weights, weights, Tile.Depth * StrideBytes);
            }
        }
    }

    /// <summary>Values likewise; their pointers move every step.</summary>
    private void CopyValues(int slot)
    {
        int at = (slot * Tile.SlotBytes) + VectorTile.WeightBytes;
        if (Tile.Rows == 1)
        {
            K.And(R.Take, R.More, R.Copies);
            K.When(R.Take, () => K.CopyAsync(R.Own.At(at), R.Values[0]));
            K.Advance(R.Values[0], R.Values[0], ValueStride);
            return;
        }
        for (int n = 0; n < Tile.Eights; n++)
        {
            for (int half = 0; half < _halves; half++)
            {
                Address<SharedAddress> to = R.Own.At(at + (((n * _halves) + half) * 512));
                Address<GlobalAddress> from = R.Values[n].At(half * Int4Operand.HalfBytes);
                K.When(R.More, () => K.CopyAsync(to, from));
            }
            K.Advance(R.Values[n], R.Values[n], ValueStride);
        }
    }

    /// <summary>One row has one column of results: the first and third of a fragment.</summary>
    private bool IsUsed(int element) => Tile.Rows > 1 || element % 2 == 0;

    private void Reduce(Parameter<GlobalAddress>? bias, Label end)
    {
        K.Comment("the warps' sums [rows][36] f32: 36, so that no two lanes meet in a bank");
        // Where the warp's own ring was: its copies have landed and its lanes are behind the last barrier.
        K.Advance(R.Own, R.Ring, R.G, sizeof(float));
        K.Advance(R.Own, R.Own, R.Quarter, 2 * PitchBytes);
        K.Equal(R.Take, R.Quarter, 0);
        for (int part = 0; part < R.Sum.Length; part++)
        {
            (int tile, int n) = (part / Tile.Eights, part % Tile.Eights);
            for (int c = 0; c < 4; c++)
            {
                if (!IsUsed(c))
                {
                    continue;
                }
                (int row, int column) = MatrixFragments.C(0, c);
                Address<SharedAddress> to = R.Own.At((((n * MatrixFragments.N) + column) * PitchBytes) + (((tile * MatrixFragments.M) + row) * sizeof(float)));
                Reg<F32> sum = R.Sum[part][c];
                if (Tile.Rows == 1)
                {
                    K.When(R.Take, () => K.Store(to, sum));
                }
                else
                {
                    K.Store(to, sum);
                }
            }
        }
        K.BlockBarrier();
        K.Comment("a warp adds up a row of every four: a lane an output");
        Label next = K.NewLabel("NEXT");
        K.Add(R.Output, R.Output, R.Lane);
        K.Less(R.Take, R.Output, R.Outputs);
        K.SharedBase(R.Ring);
        K.Advance(R.Ring, R.Ring, R.Lane, sizeof(float));
        K.Advance(R.Ring, R.Ring, R.Warp, PitchBytes);
        K.Advance(R.Y, R.Y, R.Output, sizeof(float));
        K.Add(R.Row, R.First, R.Warp);
        K.ShiftLeft(R.RowBytes, R.Outputs, 2);
        K.Advance(R.Y, R.Y, R.Row, R.RowBytes);
        if (bias is Parameter<GlobalAddress> given)
        {
            K.Comment("the output's bias, 0 without one");
            K.Move(R.Bias, 0f);
            K.LoadElements(R.Work, given);
            K.Less(R.Copies, R.Output, R.Work);
            K.Load(R.Pointer, given);
            K.Advance(R.Pointer, R.Pointer, R.Output, sizeof(float));
            K.When(R.Copies, () => K.Load(R.Bias, R.Pointer));
        }
        BeginResults();
        K.Place(next);
        K.Less(R.Last, R.Warp, R.Valid);
        K.Unless(R.Last, () => K.BranchUniform(end));
        for (int warp = 0; warp < VectorTile.Warps; warp++)
        {
            K.Load(R.Part[warp], R.Ring.At(warp * Tile.RingBytes));
        }
        K.Add(R.Part.X, R.Part.X, R.Part.Y);
        K.Add(R.Part.Z, R.Part.Z, R.Part.W);
        K.Add(R.Part.X, R.Part.X, R.Part.Z);
        Finish(R.Part.X);
        if (!Experts)
        {
            K.Add(R.Part.X, R.Part.X, R.Bias);
        }
        K.When(R.Take, () => K.Store(R.Y, R.Part.X));
        if (Tile.Rows > 1)
        {
            K.Add(R.Warp, R.Warp, VectorTile.Warps);
            K.Advance(R.Y, R.Y, R.Outputs, VectorTile.Warps * sizeof(float));
            K.Advance(R.Ring, R.Ring, VectorTile.Warps * PitchBytes);
            K.BranchUniform(next);
        }
    }

    /// <summary>The registers that all have, with their meaning.</summary>
    protected sealed class Registers(KernelWriter k, int eights)
    {
        public Reg<U32> Thread { get; } = k.Register<U32>("thread", "thread of the block");

        public Reg<U32> Lane { get; } = k.Register<U32>("lane", "thread of the warp, 4g + t");

        public Reg<U32> Warp { get; } = k.Register<U32>("warp", "warp of the block; at the end the row it adds up");

        public Reg<U32> G { get; } = k.Register<U32>("g", "row of weights modulo 8, and token, of the lane's fragments");

        public Reg<U32> Quarter { get; } = k.Register<U32>("t", "quarter of the columns of the lane's fragments");

        public Reg<U32> Piece { get; } = k.Register<U32>("piece", "16 bytes of a row of weights that the lane copies; its row modulo 8 where it reads");

        public Reg<U32> Inner { get; } = k.Register<U32>("inner_count", "columns of W");

        public Reg<U32> Outputs { get; } = k.Register<U32>("output_count", "rows of W");

        public Reg<U32> Output { get; } = k.Register<U32>("output", "the block's first output; at the end the lane's");

        public Reg<U32> First { get; } = k.Register<U32>("first", "first row of x");

        public Reg<U32> Valid { get; } = k.Register<U32>("valid", "rows of x there are");

        public Reg<U32> Expert { get; } = k.Register<U32>("expert", "expert of the rows");

        public Reg<U32> Left { get; } = k.Register<U32>("left", "steps that this warp has still to do");

        public Reg<U32> Work { get; } = k.Register<U32>("work", "temporary");

        public Reg<U32> Row { get; } = k.Register<U32>("row", "row of weights or x, temporary");

        public Reg<U32> RowBytes { get; } = k.Register<U32>("row_bytes", "bytes of a row of weights, of x; at the end of y");

        public Reg<GlobalAddress> Pointer { get; } = k.Register<GlobalAddress>("pointer", "temporary");

        public Reg<GlobalAddress>[] Weights { get; } = [.. Enumerable.Range(0, CopiesOfLane).Select(i => k.Register<GlobalAddress>($"weights{i}", "next weights of a row to copy"))];

        public Reg<GlobalAddress>[] Values { get; } = [.. Enumerable.Range(0, eights).Select(n => k.Register<GlobalAddress>($"values{n}", $"next values to copy, tokens {8 * n} to {(8 * n) + 7}"))];

        public Reg<GlobalAddress> Y { get; } = k.Register<GlobalAddress>("y_pointer", "y");

        public Reg<CachePolicy> Policy { get; } = k.Register<CachePolicy>("policy", "weights are read once");

        public Reg<SharedAddress> Ring { get; } = k.Register<SharedAddress>("ring_base", "this warp's ring");

        public Reg<SharedAddress> Own { get; } = k.Register<SharedAddress>("own", "the ring, 16 bytes a lane");

        public Reg<SharedAddress> ByT { get; } = k.Register<SharedAddress>("by_t", "the ring, 16 bytes a t");

        public Reg<SharedAddress>[] ToWeights { get; } = [k.Register<SharedAddress>("to_weights0", "where the lane's weights go, rows lane / 8 + 8i"), k.Register<SharedAddress>("to_weights1", "rows lane / 8 + 8i + 4, without the 4")];

        public Reg<SharedAddress>[] OfWeights { get; } = [.. Enumerable.Range(0, Pieces / 2).Select(pair => k.Register<SharedAddress>($"of_weights{pair}", "the lane's piece of a tile, of two pieces of each row"))];

        public Reg<Predicate> More { get; } = k.Register<Predicate>("more", "there is a step to copy");

        public Reg<Predicate> Copies { get; } = k.Register<Predicate>("copies", "the lane copies values; at the end, there is a bias");

        public Reg<Predicate> Take { get; } = k.Register<Predicate>("take", "temporary");

        public Reg<Predicate> Last { get; } = k.Register<Predicate>("last", "temporary");

        public Vec4<T> Fragment { get; } = k.Quad<T>("a", "fragment of weights");

        public Vec4<T>[] Value { get; } = [.. Enumerable.Range(0, eights).Select(n => k.Quad<T>($"b{n}_", "fragments of x: two blocks of 16 columns"))];

        public Vec4<F32>[] Sum { get; } = [.. Enumerable.Range(0, Tiles * eights).Select(part => k.Quad<F32>($"sum{part}_", "sums"))];

        public Vec4<F32> Part { get; } = k.Quad<F32>("part", "the warps' sums");

        public Reg<F32> Bias { get; } = k.Register<F32>("bias_value", "the output's bias");
    }
}
