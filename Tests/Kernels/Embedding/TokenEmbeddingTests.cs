using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Embedding;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Threading;
using Llama4Kernels.Tests.Kernels.Backends;

namespace Llama4Kernels.Tests.Kernels.Embedding;

public sealed unsafe class TokenEmbeddingTests
{
    [Theory]
    [InlineData(ElementType.F32, 1)]
    [InlineData(ElementType.F32, 33)]
    [InlineData(ElementType.BF16, 16)]
    [InlineData(ElementType.BF16, 39)]
    [InlineData(ElementType.F16, 39)]
    public void ReadsRowsWhereTheyLieEvenUnaligned(ElementType type, int columns)
    {
        using var team = new ThreadTeam(2);
        using var memory = new CpuMemory(50L * columns * 4 + 1);
        byte* data = (byte*)memory.Address + 1;
        var random = new Random(1);
        float[] expected = new float[50 * columns];
        for (int i = 0; i < expected.Length; i++)
        {
            float value = (float)random.NextDouble() * 4 - 2;
            switch (type)
            {
                case ElementType.F32:
                    ((float*)data)[i] = value;
                    expected[i] = value;
                    break;
                case ElementType.BF16:
                    ((ushort*)data)[i] = Bf16.FromSingle(value);
                    expected[i] = Bf16.Round(value);
                    break;
                default:
                    ((Half*)data)[i] = (Half)value;
                    expected[i] = (float)(Half)value;
                    break;
            }
        }
        using var table = new CpuEmbedding(MatrixSource.RowMajor((nint)data, type, 50, columns));
        int[] ids = [49, 0, 7, 7, 13, 1, 2, 3, 4, 5, 6];
        using var output = new HostTensor(ids.Length, columns);
        TokenEmbedding.Run(team, table, ids, output.View);
        for (int i = 0; i < ids.Length; i++)
        {
            Assert.Equal(expected.AsSpan(ids[i] * columns, columns).ToArray(), output.Values.Slice(i * columns, columns).ToArray());
        }
        Assert.Throws<ArgumentOutOfRangeException>(() => TokenEmbedding.Run(team, table, new int[11] { 0, 0, 0, 0, 0, 50, 0, 0, 0, 0, 0 }, output.View));
        Assert.Throws<ArgumentOutOfRangeException>(() => TokenEmbedding.Run(team, table, new int[11] { -1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }, output.View));
        Assert.Throws<ArgumentException>(() => TokenEmbedding.Run(team, table, new int[10], output.View));
    }

    [Fact]
    public void RefusesTablesItCannotRead()
    {
        Assert.Throws<ArgumentException>(() => new CpuEmbedding(MatrixSource.RowMajor(64, ElementType.F8E4M3, 2, 2)));
        Assert.Throws<ArgumentException>(() => new CpuEmbedding(new StridedMatrix(64, ElementType.F32, 2, 2, 1, 2)));
        Assert.Throws<ArgumentException>(() => new CpuEmbedding(MatrixSource.RowMajor(0, ElementType.F32, 2, 2)));
    }
}
