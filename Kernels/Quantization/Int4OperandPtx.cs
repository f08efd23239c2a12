using Llama4Kernels.Kernels.Ptx;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>Writes the kernel that rounds rows of float32 to <see cref="Int4Operand"/>: a warp a group of 128 columns.</summary>
internal static class Int4OperandPtx
{
    /// <summary>The kernel's name.</summary>
    public const string Name = "round_operand_int4";

    /// <summary>Threads of a block.</summary>
    public const int Threads = 32 * Warps;

    /// <summary>Groups of a block.</summary>
    public const int Warps = 4;

    /// <summary>Writes the kernel for a compute capability.</summary>
    public static KernelWriter Write(int sm)
    {
        var k = new KernelWriter(Name, sm, Threads, blocksPerProcessor: 8,
            $"Rows of f32 become the int4 products' operand: bf16 in the order of fragments, and -24 times the sum of every 128; sm_{sm}{(sm >= 90 ? " with programmatic dependent launch" : "")}.\n"
            + "Written by Int4OperandPtx; docs/kernels/int4-matvec.md has the layout.\n"
            + $"grid (columns / 512, rows), block {Threads}: a warp takes 128 columns of a row");
        Parameter<GlobalAddress> x = k.View("x", "[rows][columns] f32");
        Parameter<GlobalAddress> operand = k.View("operand", "[rows][columns / 128][288] bytes");
        Parameter<U32> columnCount = k.Value("columns", "a multiple of 128");
        Reg<U32> lane = k.Register<U32>("lane", "thread of the warp"), group = k.Register<U32>("group", "group of 128 columns");
        Reg<U32> row = k.Register<U32>("row", "row of x"), columns = k.Register<U32>("column_count", "columns of x");
        Reg<U32> groups = k.Register<U32>("groups", "groups of a row"), work = k.Register<U32>("work", "temporary"), bits = k.Register<U32>("bits", "temporary");
        Reg<GlobalAddress> from = k.Register<GlobalAddress>("from", "the lane's values"), to = k.Register<GlobalAddress>("to", "the group's operand"), end = k.Register<GlobalAddress>("sum_pointer", "the lane's copy of the sum");
        Vec2<F32>[] value = [k.Pair<F32>("x0_", "columns 2 lane, 2 lane + 1 of the first tile"), k.Pair<F32>("x1_", "of the second tile")];
        Reg<Bf16x2> rounded = k.Register<Bf16x2>("rounded", "two values");
        Reg<F32> sum = k.Register<F32>("sum", "of the rounded values"), other = k.Register<F32>("other", "temporary");
        Reg<Predicate> inside = k.Register<Predicate>("inside", "the warp has a group; then, the lane has a copy of the sum to write");
        Label done = k.NewLabel("DONE");

        k.LaunchDependents();
        k.ThreadIndex(work);
        k.And(lane, work, 31);
        k.ShiftRight(work, work, 5);
        k.BlockX(group);
        k.MultiplyAdd(group, group, Warps, work);
        k.BlockY(row);
        k.Load(columns, columnCount);
        k.ShiftRight(groups, columns, 7);
        k.Less(inside, group, groups);
        k.Unless(inside, () => k.BranchUniform(done));
        k.MultiplyAdd(work, row, groups, group);
        k.Load(from, x);
        k.Advance(from, from, work, Int4Tiles.GroupColumns * sizeof(float));
        k.Advance(from, from, lane, 2 * sizeof(float));
        k.Load(to, operand);
        k.Advance(to, to, work, Int4Operand.GroupBytes);
        k.Advance(end, to, lane, sizeof(float));
        k.Comment("the pair 2 lane of a tile: its half, t, block and element as Int4Operand.Place has them");
        for (int bit = 0; bit < 5; bit++)
        {
            // Every bit of the pair's number stands for a step of its own.
            k.And(bits, lane, 1 << bit);
            k.Advance(to, to, bits, Int4Operand.Place(2 << bit) >> bit);
        }
        k.WaitForPredecessor();
        k.Load(value[0], from);
        k.Load(value[1], from.At(Int4Tiles.TileColumns * sizeof(float)));
        for (int tile = 0; tile < 2; tile++)
        {
            k.Round(rounded, value[tile].X, value[tile].Y);
            k.Store(to.At(tile * 2 * Int4Operand.HalfBytes), rounded);
            k.WidenLower(value[tile].X, rounded);
            k.WidenUpper(value[tile].Y, rounded);
            k.Add(value[tile].X, value[tile].X, value[tile].Y);
        }
        k.Add(sum, value[0].X, value[1].X);
        for (int distance = 16; distance > 0; distance /= 2)
        {
            k.ShuffleXor(other, sum, distance);
            k.Add(sum, sum, other);
        }
        k.Multiply(sum, sum, -Int4Tiles.Offset);
        k.Less(inside, lane, Int4Operand.SumBytes / sizeof(float));
        k.When(inside, () => k.Store(end.At(Int4Operand.ValueBytes), sum));
        k.Place(done);
        k.Return();
        return k;
    }
}
