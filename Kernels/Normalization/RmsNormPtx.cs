using Llama4Kernels.Kernels.Ptx;

namespace Llama4Kernels.Kernels.Normalization;

/// <summary>Writes the kernel that normalises rows of float32, a block a row (<see cref="NormedRowPtx"/>); nothing is read twice.</summary>
internal static class RmsNormPtx
{
    /// <summary>The kernel's name.</summary>
    public const string Name = "rms_norm_row";

    /// <summary>The first architecture that it is written for.</summary>
    public const int FirstSm = 80;

    /// <summary>Threads of a block.</summary>
    public const int Threads = NormedRowPtx.Threads;

    /// <summary>Columns that one access brings to a thread; a row has a multiple of them.</summary>
    public const int Vector = NormedRowPtx.Vector;

    /// <summary>Columns that give each thread of a block its first piece; narrower rows leave threads idle.</summary>
    public const int FullColumns = NormedRowPtx.FullColumns;

    /// <summary>Most columns of a row.</summary>
    public const int MostColumns = NormedRowPtx.MostColumns;

    /// <summary>Writes the kernel for a compute capability.</summary>
    public static KernelWriter Write(int sm)
    {
        var k = new KernelWriter(Name, sm, Threads, blocksPerProcessor: 2,
            $"y = x / sqrt(mean(x^2) + eps) * weight for rows of f32, up to {MostColumns} columns; sm_{sm}{(sm >= 90 ? " with programmatic dependent launch" : "")}.\n"
            + "Written by RmsNormPtx; docs/kernels/rms-norm.md says why it is as it is.\n"
            + $"grid (rows), block {Threads}");
        Parameter<GlobalAddress> x = k.View("x", "[rows][columns] f32"), weight = k.View("weight", "[columns] f32"), y = k.View("y", "[rows][columns] f32, which may be x");
        Parameter<U32> columns = k.Value("columns", $"a multiple of {Vector}");
        Parameter<F32> epsilon = k.Number("eps", "added to the mean");
        var row = new NormedRowPtx(k);
        Reg<GlobalAddress> to = k.Register<GlobalAddress>("to", "the thread's part of the result");

        k.LaunchDependents();
        row.Locate(x, weight, columns, epsilon, k.BlockX);
        k.Load(to, y);
        row.OfRow(to);
        row.LoadWeights();
        k.WaitForPredecessor();
        row.LoadRow();
        for (int i = 0; i < NormedRowPtx.Pieces; i++)
        {
            row.Normalise(i);
            k.When(row.Inside[i], () => k.Store(to.At(i * FullColumns * sizeof(float)), row.Values[i]));
        }
        k.Return();
        return k;
    }
}
