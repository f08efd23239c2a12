using Llama4Kernels.Kernels.Ptx;

namespace Llama4Kernels.Kernels.Normalization;

/// <summary>
/// Writes the kernel that normalises rows of float32, a block a row that its threads hold in registers: weights are asked for before
/// the grid before has ended, all of the row at once after it, and nothing is read twice.
/// </summary>
internal static class RmsNormPtx
{
    /// <summary>The kernel's name.</summary>
    public const string Name = "rms_norm_row";

    /// <summary>The first architecture that it is written for.</summary>
    public const int FirstSm = 80;

    /// <summary>Threads of a block.</summary>
    public const int Threads = 32 * Warps;

    /// <summary>Columns that one access brings to a thread; a row has a multiple of them.</summary>
    public const int Vector = 4;

    /// <summary>Columns that give each thread of a block its first piece; narrower rows leave threads idle.</summary>
    public const int FullColumns = Threads * Vector;

    /// <summary>Most columns of a row.</summary>
    public const int MostColumns = FullColumns * Vectors;

    private const int Warps = 8;
    private const int Vectors = 8;

    /// <summary>Writes the kernel for a compute capability.</summary>
    public static KernelWriter Write(int sm)
    {
        var k = new KernelWriter(Name, sm, Threads, blocksPerProcessor: 2,
            $"y = x / sqrt(mean(x^2) + eps) * weight for rows of f32, up to {MostColumns} columns; sm_{sm}{(sm >= 90 ? " with programmatic dependent launch" : "")}.\n"
            + "Written by RmsNormPtx; docs/kernels/rms-norm.md says why it is as it is.\n"
            + $"grid (rows), block {Threads}");
        Parameter<GlobalAddress> x = k.View("x", "[rows][columns] f32"), weight = k.View("weight", "[columns] f32"), y = k.View("y", "[rows][columns] f32, which may be x");
        Parameter<U32> columnCount = k.Value("columns", $"a multiple of {Vector}");
        Parameter<F32> epsilon = k.Number("eps", "added to the mean");
        k.Shared("sums", Warps * sizeof(float), $"[{Warps}] f32: the warps' sums of squares");
        Reg<U32> thread = k.Register<U32>("thread", "thread of the block"), row = k.Register<U32>("row", "row");
        Reg<U32> columns = k.Register<U32>("column_count", "columns of a row"), own = k.Register<U32>("own", "first of the thread's columns, and again after those of all other threads"), work = k.Register<U32>("work", "temporary");
        Reg<GlobalAddress> from = k.Register<GlobalAddress>("from", "the thread's part of the row"), weights = k.Register<GlobalAddress>("weight_pointer", "of the weights"), to = k.Register<GlobalAddress>("to", "of the result");
        Reg<SharedAddress> shared = k.Register<SharedAddress>("shared", "the block's sums"), place = k.Register<SharedAddress>("place", "the warp's");
        Vec4<F32>[] values = [.. Enumerable.Range(0, Vectors).Select(i => k.Quad<F32>($"x{i}_", "columns of the row"))];
        Vec4<F32>[] factors = [.. Enumerable.Range(0, Vectors).Select(i => k.Quad<F32>($"w{i}_", "their weights"))];
        Reg<Predicate>[] inside = [.. Enumerable.Range(0, Vectors).Select(i => k.Register<Predicate>($"inside{i}", "the row has these columns"))];
        Reg<Predicate> first = k.Register<Predicate>("first", "the warp's first lane");
        Reg<F32> sum = k.Register<F32>("sum", "of squares; then what the row is multiplied by"), other = k.Register<F32>("other", "temporary"), mean = k.Register<F32>("eps_value", "added to the mean");

        k.LaunchDependents();
        k.ThreadIndex(thread);
        k.BlockX(row);
        k.Load(columns, columnCount);
        k.Load(mean, epsilon);
        k.ShiftLeft(own, thread, int.Log2(Vector));
        k.Load(weights, weight);
        k.Advance(weights, weights, own, sizeof(float));
        k.ShiftLeft(work, columns, int.Log2(sizeof(float)));
        k.Load(from, x);
        k.Advance(from, from, row, work);
        k.Advance(from, from, own, sizeof(float));
        k.Load(to, y);
        k.Advance(to, to, row, work);
        k.Advance(to, to, own, sizeof(float));
        k.Comment("columns that the row has not count as zero");
        for (int i = 0; i < Vectors; i++)
        {
            k.Greater(inside[i], columns, own);
            k.Add(own, own, FullColumns);
            for (int c = 0; c < Vector; c++)
            {
                k.Move(values[i][c], 0f);
            }
        }
        Load(factors, weights);
        k.WaitForPredecessor();
        Load(values, from);
        k.Comment("the sum of squares: a thread's, the warp's, the block's");
        k.Multiply(sum, values[0].X, values[0].X);
        for (int i = 0; i < Vectors; i++)
        {
            for (int c = i == 0 ? 1 : 0; c < Vector; c++)
            {
                k.MultiplyAdd(sum, values[i][c], values[i][c], sum);
            }
        }
        for (int distance = 16; distance > 0; distance /= 2)
        {
            k.ShuffleXor(other, sum, distance);
            k.Add(sum, sum, other);
        }
        k.SharedBase(shared);
        k.ShiftRight(work, thread, 5);
        k.Advance(place, shared, work, sizeof(float));
        k.And(work, thread, 31);
        k.Equal(first, work, 0);
        k.When(first, () => k.Store(place, sum));
        k.BlockBarrier();
        k.Load(sum, shared);
        for (int warp = 1; warp < Warps; warp++)
        {
            k.Load(other, shared.At(warp * sizeof(float)));
            k.Add(sum, sum, other);
        }
        k.Comment("1 / sqrt(mean + eps)");
        k.ToFloat(other, columns);
        k.Divide(sum, sum, other);
        k.Add(sum, sum, mean);
        k.SquareRoot(sum, sum);
        k.Reciprocal(sum, sum);
        for (int i = 0; i < Vectors; i++)
        {
            for (int c = 0; c < Vector; c++)
            {
                k.Multiply(values[i][c], values[i][c], sum);
            }
            for (int c = 0; c < Vector; c++)
            {
                k.When(inside[i], () => k.Multiply(values[i][c], values[i][c], factors[i][c]));
            }
            k.When(inside[i], () => k.Store(to.At(i * FullColumns * sizeof(float)), values[i]));
        }
        k.Return();
        return k;

        void Load(Vec4<F32>[] into, Reg<GlobalAddress> at)
        {
            for (int i = 0; i < Vectors; i++)
            {
                k.When(inside[i], () => k.Load(into[i], at.At(i * FullColumns * sizeof(float))));
            }
        }
    }
}
