using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Quantization;

namespace Llama4Kernels.Kernels.Embedding;

/// <summary><see cref="TokenEmbedding"/> on a device.</summary>
internal static class TokenEmbeddingCuda
{
    /// <summary>The records, one for each type of the table's elements, and one for codes, which have none.</summary>
    internal static readonly KernelRecords<ElementType?, Launcher> Records = new(
        "Embed", Record("embed_f32", ElementType.F32), Record("embed_bf16", ElementType.BF16), Record("embed_f16", ElementType.F16), Coded());

    /// <summary>Puts the launch into a queue.</summary>
    internal delegate void Launcher(CudaQueue queue, CudaEmbedding table, ReadOnlySpan<int> ids, Tensor output);

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
        Records.Choose(embedding.Type).Launch(queue, embedding, ids, output);
    }

    private static KernelRecord<ElementType?, Launcher> Record(string kernel, ElementType type) => new(
        kernel,
        what => what == type ? null : "reads another type",
        "a group per token; the table stays as stored",
        (queue, table, ids, output) =>
            queue.Call(kernel).View(table.Address, (long)table.Rows * table.Columns).View(queue.Put(ids), ids.Length).View(output)
                .Value(table.Columns).Value((long)table.Columns).Run(new(ids.Length), KernelCall.ThreadsFor(table.Columns)));

    private static KernelRecord<ElementType?, Launcher> Coded() => new(
        "embed_affine",
        what => what is null ? null : "reads codes",
        "a group per token decodes a row of any format that is kept as stored",
        (queue, table, ids, output) =>
            AffineProductCuda.Layout(queue.Call("embed_affine").View(table.Address, table.Bytes).View(queue.Put(ids), ids.Length).View(output).Value(table.Columns), table.Panels!.Value)
                .Run(new(ids.Length), KernelCall.ThreadsFor((table.Columns + 3) / 4)));
}
