using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.Embedding;

/// <summary>Table lookup. ids [T], table [V, D], output [T, D]. Reads T rows of the table, writes 4·T·D bytes.</summary>
internal static partial class TokenEmbedding
{
    /// <summary>output[i] = table[ids[i]], widened exactly to float32.</summary>
    /// <exception cref="ArgumentException">Shapes differ, an id is outside the table, or the table is another backend's.</exception>
    public static void Run(ThreadTeam team, IEmbedding table, ReadOnlySpan<int> ids, Tensor output)
    {
        if (table is not CpuEmbedding embedding)
        {
            throw new ArgumentException($"The table is a {table.GetType().Name}; make it with this backend's CreateEmbedding.", nameof(table));
        }
        CheckIds(MemoryPlace.Host, table, ids, output);
        RunCpu(team, embedding.Source, ids, output);
    }

    internal static void CheckIds(MemoryPlace place, IEmbedding table, ReadOnlySpan<int> ids, Tensor output)
    {
        ShapeCheck.Require(output, place, ids.Length, table.Columns, nameof(output));
        foreach (int id in ids)
        {
            if ((uint)id >= (uint)table.Rows)
            {
                throw new ArgumentOutOfRangeException(nameof(ids), id, $"The table has {table.Rows} rows.");
            }
        }
    }
}
