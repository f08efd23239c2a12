using Llama4Kernels.Kernels.Ptx;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>
/// Writes the kernels that bring rows of float32 into <see cref="Fp8Operand"/>, a block a row: rounded to bfloat16 and multiplied by a power of two, or
/// quantised to E4M3 by <see cref="Quantiser"/>'s rule, whose codes float16 holds.
/// </summary>
internal static class Fp8OperandPtx
{
    /// <summary>Threads of a block.</summary>
    public const int Threads = 32 * Warps;

    private const int Warps = 8;
    private const int ThreadColumns = 4;
    private const int LeastExponent = 15;

    /// <summary>The kernel's name.</summary>
    public static string Name(bool quantises) => quantises ? "quantise_operand_fp8" : "round_operand_fp8";

    /// <summary>Writes a kernel.</summary>
    /// <param name="quantises">To E4M3; otherwise to bfloat16.</param>
    /// <param name="sm">Compute capability: 80, or 90 with programmatic dependent launch.</param>
    public static KernelWriter Write(bool quantises, int sm)
    {
        var k = new KernelWriter(Name(quantises), sm, Threads, blocksPerProcessor: 8,
            $"Rows of f32 become the FP8 products' operand: {(quantises ? "E4M3 of x / scale, as f16" : "bf16 times a power of two, as f16")}, and a factor a row; sm_{sm}{(sm >= 90 ? " with programmatic dependent launch" : "")}.\n"
            + "Written by Fp8OperandPtx; docs/kernels/fp8-products.md has the layout.\n"
            + $"grid (rows), block {Threads}");
        Parameter<GlobalAddress> x = k.View("x", "[rows][columns] f32"), operand = k.View("operand", "[rows][columns / 128][256] bytes"), factors = k.View("factors", "[rows] f32");
        Parameter<U32> columnCount = k.Value("columns", "a multiple of 128");
        Parameter<F32>? bound = quantises ? k.Number("bound", "of a row's largest magnitude") : null;
        k.Shared("largest", Warps * sizeof(float), $"[{Warps}] f32: the warps' largest magnitudes");
        var r = new Registers(k);
        Label search = k.NewLabel("SEARCH"), found = k.NewLabel("FOUND"), convert = k.NewLabel("CONVERT"), done = k.NewLabel("DONE");

        k.LaunchDependents();
        k.ThreadIndex(r.Thread);
        k.BlockX(r.Row);
        k.Load(r.Columns, columnCount);
        k.ShiftLeft(r.First, r.Thread, int.Log2(ThreadColumns));
        k.ShiftLeft(r.Work, r.Columns, 2);
        k.Load(r.Begin, x);
        k.Advance(r.Begin, r.Begin, r.Row, r.Work);
        k.Advance(r.Begin, r.Begin, r.First, sizeof(float));
        k.ShiftLeft(r.Work, r.Columns, 1);
        k.Load(r.To, operand);
        k.Advance(r.To, r.To, r.Row, r.Work);
        k.Comment("a warp's 128 columns are a group: its lane's four lie together, where Fp8Operand.Place has them");
        k.ShiftRight(r.Work, r.Thread, 5);
        k.Advance(r.To, r.To, r.Work, Fp8Operand.GroupBytes);
        for (int bit = 0; bit < 5; bit++)
        {
            // Every bit of a lane's number stands for a step of its own.
            k.And(r.Work, r.Thread, 1 << bit);
            k.Advance(r.To, r.To, r.Work, Fp8Operand.Place(ThreadColumns << bit) >> bit);
        }
        k.Move(r.Largest, 0f);
        k.WaitForPredecessor();
        Loop(k, r, search, found, () =>
        {
            for (int c = 0; c < ThreadColumns; c++)
            {
                // What is no number does not count.
                k.Magnitude(r.X[c], r.X[c]);
                k.Maximum(r.Largest, r.Largest, r.X[c]);
            }
        });
        LargestOfRow(k, r);
        if (bound is Parameter<F32> given)
        {
            k.Comment("scale = max(min(largest, bound) / 448, the least): Quantiser");
            k.Load(r.Bound, given);
            k.Minimum(r.Factor, r.Largest, r.Bound);
            k.Move(r.Bound, Numerics.Fp8.Largest);
            k.Divide(r.Factor, r.Factor, r.Bound);
            k.Move(r.Least, Quantiser.Fp8Scale(0));
            k.Maximum(r.Factor, r.Factor, r.Least);
            k.Move(r.Least, -Numerics.Fp8.Largest);
        }
        else
        {
            k.Comment("the power of two that brings the largest below 2^15, and its inverse");
            k.Bits(r.Work, r.Largest);
            k.ShiftRight(r.Work, r.Work, 23);
            k.Maximum(r.Work, r.Work, LeastExponent);
            k.Subtract(r.Bits, r.Work, Fp8Operand.LargestExponent - 1);
            k.ShiftLeft(r.Bits, r.Bits, 23);
            k.FromBits(r.Factor, r.Bits);
            k.Move(r.Bits, (2 * 127) + Fp8Operand.LargestExponent - 1);
            k.Subtract(r.Bits, r.Bits, r.Work);
            k.ShiftLeft(r.Bits, r.Bits, 23);
            k.FromBits(r.Bound, r.Bits);
        }
        Loop(k, r, convert, done, () =>
        {
            for (int pair = 0; pair < 2; pair++)
            {
                Reg<F32> low = r.X[2 * pair], high = r.X[(2 * pair) + 1];
                if (quantises)
                {
                    Quantise(k, r, low);
                    Quantise(k, r, high);
                }
                else
                {
                    k.Round(r.Rounded, low, high);
                    k.WidenLower(low, r.Rounded);
                    k.WidenUpper(high, r.Rounded);
                    k.Multiply(low, low, r.Bound);
                    k.Multiply(high, high, r.Bound);
                }
                k.Round(pair == 0 ? r.Values.X : r.Values.Y, low, high);
            }
            k.Store(r.To, r.Values);
            k.Advance(r.To, r.To, Threads * ThreadColumns * 2);
        });
        k.Equal(r.Inside, r.Thread, 0);
        k.Load(r.To, factors);
        k.Advance(r.To, r.To, r.Row, sizeof(float));
        k.When(r.Inside, () => k.Store(r.To, r.Factor));
        k.Return();
        return k;
    }

    /// <summary>A loop over the row, of which a thread takes four columns of every 1,024 and a warp 128.</summary>
    private static void Loop(KernelWriter k, Registers r, Label loop, Label end, Action body)
    {
        k.Move(r.Column, r.First);
        k.Advance(r.From, r.Begin, 0);
        k.Place(loop);
        k.Less(r.Inside, r.Column, r.Columns);
        k.Unless(r.Inside, () => k.BranchUniform(end));
        k.Load(r.X, r.From);
        k.Advance(r.From, r.From, Threads * ThreadColumns * sizeof(float));
        k.Add(r.Column, r.Column, Threads * ThreadColumns);
        body();
        k.BranchUniform(loop);
        k.Place(end);
    }

    private static void LargestOfRow(KernelWriter k, Registers r)
    {
        k.Comment("the largest: a thread's, the warp's, the block's");
        for (int distance = 16; distance > 0; distance /= 2)
        {
            k.ShuffleXor(r.Other, r.Largest, distance);
            k.Maximum(r.Largest, r.Largest, r.Other);
        }
        k.SharedBase(r.Shared);
        k.ShiftRight(r.Work, r.Thread, 5);
        k.Advance(r.Place, r.Shared, r.Work, sizeof(float));
        k.And(r.Work, r.Thread, 31);
        k.Equal(r.Inside, r.Work, 0);
        k.When(r.Inside, () => k.Store(r.Place, r.Largest));
        k.BlockBarrier();
        for (int warp = 0; warp < Warps; warp++)
        {
            k.Load(r.Other, r.Shared.At(warp * sizeof(float)));
            k.Maximum(r.Largest, r.Largest, r.Other);
        }
    }

    /// <summary>
    /// x / scale as the nearest E4M3, ties to even: added to one and a half times the power of two whose last bit is worth a step of the number's exponent, and
    /// taken away. Beyond ±448 the largest; what is no number stays it.
    /// </summary>
    private static void Quantise(KernelWriter k, Registers r, Reg<F32> x)
    {
        k.Divide(x, x, r.Factor);
        k.Bits(r.Bits, x);
        k.And(r.Bits, r.Bits, 0x7F80_0000);
        // Below 2⁻⁶ the steps are those of 2⁻⁶.
        k.Maximum(r.Bits, r.Bits, (127 - 6) << 23);
        k.Add(r.Bits, r.Bits, (20 << 23) + (1 << 22));
        k.FromBits(r.Other, r.Bits);
        k.NotANumber(r.Inside, x);
        k.Unless(r.Inside, () => k.Add(x, x, r.Other));
        k.Unless(r.Inside, () => k.Subtract(x, x, r.Other));
        k.Unless(r.Inside, () => k.Minimum(x, x, r.Bound));
        k.Unless(r.Inside, () => k.Maximum(x, x, r.Least));
    }

    /// <summary>All registers, with their meaning.</summary>
    private sealed class Registers(KernelWriter k)
    {
        public Reg<U32> Thread { get; } = k.Register<U32>("thread", "thread of the block");

        public Reg<U32> Row { get; } = k.Register<U32>("row", "row of x");

        public Reg<U32> Columns { get; } = k.Register<U32>("column_count", "columns of x");

        public Reg<U32> First { get; } = k.Register<U32>("first", "the thread's first column");

        public Reg<U32> Column { get; } = k.Register<U32>("column", "its next");

        public Reg<U32> Work { get; } = k.Register<U32>("work", "temporary; the largest's exponent");

        public Reg<U32> Bits { get; } = k.Register<U32>("bits", "of a number");

        public Reg<GlobalAddress> Begin { get; } = k.Register<GlobalAddress>("begin", "its part of the row");

        public Reg<GlobalAddress> From { get; } = k.Register<GlobalAddress>("from", "its next");

        public Reg<GlobalAddress> To { get; } = k.Register<GlobalAddress>("to", "where its values go; at the end the factor");

        public Reg<SharedAddress> Shared { get; } = k.Register<SharedAddress>("shared", "the warps' largest");

        public Reg<SharedAddress> Place { get; } = k.Register<SharedAddress>("place", "the warp's");

        public Vec4<F32> X { get; } = k.Quad<F32>("x", "four columns");

        public Vec2<F16x2> Values { get; } = k.Pair<F16x2>("value", "as the operand has them");

        public Reg<Bf16x2> Rounded { get; } = k.Register<Bf16x2>("rounded", "two values");

        public Reg<F32> Largest { get; } = k.Register<F32>("largest_value", "magnitude of the row");

        public Reg<F32> Other { get; } = k.Register<F32>("other", "temporary");

        public Reg<F32> Factor { get; } = k.Register<F32>("factor", "by which results are multiplied");

        public Reg<F32> Bound { get; } = k.Register<F32>("bound_value", "the bound, then the largest code; or what values are multiplied by");

        public Reg<F32> Least { get; } = k.Register<F32>("least", "least scale, then the least code");

        public Reg<Predicate> Inside { get; } = k.Register<Predicate>("inside", "there are such columns; it is no number; the thread is the first");
    }
}
