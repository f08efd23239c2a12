using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;

namespace Llama4Kernels.Kernels.Embedding;

/// <summary><see cref="TokenEmbedding"/> on a device.</summary>
internal static class TokenEmbeddingCuda
{
    internal static readonly KernelOption[] Kernels = [new("Embed", "embed_", "a group per token; the table stays as stored")];

    /// <summary>As <see cref="TokenEmbedding.Run"/>, on a device.</summary>
    /// <exception cref="ArgumentException">Shapes differ, an id is outside the table, or the table is another backend's.</exception>
    public static void Run(CudaQueue queue, IEmbedding table, ReadOnlySpan<int> ids, Tensor output)
    {
        if (table is not CudaEmbedding embedding)
        {
            throw new ArgumentException($"The table is a {table.GetType().Name}; make it with this backend's CreateEmbedding.", nameof(table));
        }
        TokenEmbedding.CheckIds(MemoryPlace.Device, table, ids, output);
        if (ids.IsEmpty)
        {
            return;
        }
        queue.Call(embedding.Kernel).View(embedding.Address, (long)embedding.Rows * embedding.Columns).View(queue.Put(ids), ids.Length).View(output)
            .Value(embedding.Columns).Value((long)embedding.Columns).Run(new(ids.Length), KernelCall.ThreadsFor(embedding.Columns));
    }
}
