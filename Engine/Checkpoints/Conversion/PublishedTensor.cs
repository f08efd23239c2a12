using System.Runtime.InteropServices;
using Llama4Kernels.Engine.Checkpoints.Weights;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Engine.Checkpoints.Conversion;

/// <summary>A tensor of the published layout and the weights that lie in it.</summary>
internal sealed class PublishedTensor
{
    // Rows that are transposed together: a cache line of bfloat16.
    private const int TileRows = 32;

    private readonly IReadOnlyList<(Weight Weight, WeightPart Part)> _weights;

    private PublishedTensor(IReadOnlyList<(Weight Weight, WeightPart Part)> weights) => _weights = weights;

    public string Name => _weights[0].Part.Tensor;

    public IReadOnlyList<long> Shape => _weights[0].Part.Shape;

    /// <summary>In bfloat16.</summary>
    public long Bytes => Shape.Aggregate(1L, (product, extent) => product * extent) * sizeof(ushort);

    /// <summary>All tensors of a checkpoint's model, layer after layer.</summary>
    public static IEnumerable<PublishedTensor> Of(Checkpoint source)
    {
        string prefix = source.Naming is HuggingFaceNaming own ? own.Prefix : HuggingFaceNaming.NestedPrefix;
        var naming = new HuggingFaceNaming(prefix, source.Config.Text.Experts, []);
        return source.Weights.Weights
            .Select(weight => (Weight: weight, Part: naming.Locate(weight).Parts[0]))
            .GroupBy(entry => entry.Part.Tensor, StringComparer.Ordinal)
            .Select(group => new PublishedTensor([.. group]));
    }

    /// <summary>Writes the tensor's bytes.</summary>
    public void Write(WeightCatalogue catalogue, Stream stream, CancellationToken cancellation)
    {
        // What lies in the same rows is written together: gate and up of an expert.
        foreach (IGrouping<long, (Weight Weight, WeightPart Part)> rows in _weights.GroupBy(entry => entry.Part.FirstRow).OrderBy(group => group.Key))
        {
            cancellation.ThrowIfCancellationRequested();
            (Weight weight, WeightPart part) = rows.First();
            if (part.Transposed)
            {
                WriteTransposed(catalogue, [.. rows], stream, cancellation);
            }
            else
            {
                WriteRows(catalogue.Open(weight), stream, cancellation);
            }
            foreach ((Weight done, _) in rows)
            {
                catalogue.GiveBack(catalogue.Open(done));
            }
        }
    }

    private static void WriteRows(MatrixSource source, Stream stream, CancellationToken cancellation)
    {
        float[] values = new float[source.Columns];
        ushort[] rounded = new ushort[source.Columns];
        for (int row = 0; row < source.Rows; row++)
        {
            cancellation.ThrowIfCancellationRequested();
            source.ReadRow(row, values);
            Bf16.FromSingle(values, rounded);
            stream.Write(MemoryMarshal.AsBytes(rounded.AsSpan()));
        }
    }

    private static void WriteTransposed(WeightCatalogue catalogue, (Weight Weight, WeightPart Part)[] entries, Stream stream, CancellationToken cancellation)
    {
        (int inputs, int outputs) = (entries[0].Part.Rows, checked((int)entries[0].Part.RowElements));
        ushort[] block = new ushort[checked(inputs * outputs)];
        float[] values = new float[inputs];
        ushort[][] tile = [.. Enumerable.Range(0, TileRows).Select(_ => new ushort[inputs])];
        foreach ((Weight weight, WeightPart part) in entries)
        {
            MatrixSource source = catalogue.Open(weight);
            for (int first = 0; first < source.Rows; first += TileRows)
            {
                cancellation.ThrowIfCancellationRequested();
                int count = Math.Min(TileRows, source.Rows - first);
                for (int r = 0; r < count; r++)
                {
                    source.ReadRow(first + r, values);
                    Bf16.FromSingle(values, tile[r]);
                }
                int column = checked((int)part.FirstColumn) + first;
                for (int i = 0; i < inputs; i++)
                {
                    Span<ushort> to = block.AsSpan(i * outputs + column, count);
                    for (int r = 0; r < count; r++)
                    {
                        to[r] = tile[r][i];
                    }
                }
            }
        }
        stream.Write(MemoryMarshal.AsBytes(block.AsSpan()));
    }
}
