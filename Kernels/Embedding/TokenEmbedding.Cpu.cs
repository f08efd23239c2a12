using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Threading;
using Tensor = Llama4Kernels.Kernels.Contracts.Tensor;

namespace Llama4Kernels.Kernels.Embedding;

internal static unsafe partial class TokenEmbedding
{
    private const int RowsPerItem = 8;

    private static void RunCpu(ThreadTeam team, MatrixSource table, ReadOnlySpan<int> ids, Tensor output)
    {
        fixed (int* id = ids)
        {
            int items = (ids.Length + RowsPerItem - 1) / RowsPerItem;
            if (table is StridedMatrix { ColumnStride: 1, PlainType: not null } plain)
            {
                team.Run(items, new Job((byte*)plain.Data, plain.Type, plain.RowStride, id, output));
                return;
            }
            using var handle = new GCHandle<MatrixSource>(table);
            team.Run(items, new ReaderJob(handle, id, output));
        }
    }

    private static void Row(byte* source, ElementType type, Span<float> row)
    {
        switch (type)
        {
            case ElementType.F32:
                new ReadOnlySpan<byte>(source, row.Length * sizeof(float)).CopyTo(MemoryMarshal.AsBytes(row));
                break;
            case ElementType.F16:
                TensorPrimitives.ConvertToSingle(new ReadOnlySpan<Half>(source, row.Length), row);
                break;
            default:
                Bf16.ToSingle(new ReadOnlySpan<ushort>(source, row.Length), row);
                break;
        }
    }

    private readonly struct Job(byte* table, ElementType type, long rowStride, int* ids, Tensor output) : ITeamJob
    {
        public void Execute(int item, int worker)
        {
            int end = Math.Min(output.Rows, (item + 1) * RowsPerItem);
            for (int row = item * RowsPerItem; row < end; row++)
            {
                byte* source = table + ids[row] * rowStride * type.Size();
                Row(source, type, new Span<float>(output.Pointer + (long)row * output.Columns, output.Columns));
            }
        }
    }

    private readonly struct ReaderJob(GCHandle<MatrixSource> table, int* ids, Tensor output) : ITeamJob
    {
        public void Execute(int item, int worker)
        {
            int end = Math.Min(output.Rows, (item + 1) * RowsPerItem);
            for (int row = item * RowsPerItem; row < end; row++)
            {
                table.Target.Read(ids[row], 0, output.Columns, output.Pointer + (long)row * output.Columns);
            }
        }
    }
}
