using Llama4Kernels.Kernels.Attention;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Threading;
using Llama4Kernels.Tests.Kernels.Backends;
using Llama4Kernels.Tests.Oracles;

namespace Llama4Kernels.Tests.Kernels.Attention;

public sealed unsafe class RotateNormAppendTests
{
    [Theory]
    [InlineData(16, KvFormat.F32, true, true)]
    [InlineData(22, KvFormat.BF16, true, false)]
    [InlineData(40, KvFormat.F32, false, true)]
    [InlineData(6, KvFormat.BF16, true, true)]
    public void RotatesNormalisesScalesAndWrites(int dim, KvFormat format, bool rotate, bool norm)
    {
        AttentionShape shape = new(4, 2, dim);
        KvLayout layout = CpuKvStep.LayoutOf(8, 2, shape, format);
        using var team = new ThreadTeam(2);
        using var memory = new CpuMemory(3 * layout.BlockBytes);
        using var step = new CpuKvStep(layout, memory, 0, 3);
        using HostTensor qkv = HostTensor.Random(9, shape.QkvColumns, 1, 3f);
        using HostTensor angles = HostTensor.Random(9, dim, 2);
        using HostTensor scales = HostTensor.Random(9, 1, 3);
        float[] before = qkv.Values.ToArray();
        int[] table = [1, 0, 2];
        step.Set(9, [new KvSegment(1, 8, 10, 0)], table);
        RotateNormAppend.Run(team, qkv.View, shape, rotate ? angles.View : null, norm ? 1e-5f : null, scales.View, step, 1);
        Assert.Equal(before[..shape.QkvColumns], qkv.Values[..shape.QkvColumns].ToArray());
        for (int row = 1; row < 9; row++)
        {
            for (int head = 0; head < 8; head++)
            {
                ReadOnlySpan<float> x = before.AsSpan(row * shape.QkvColumns + head * dim, dim);
                double[] expected = rotate && head < 6 ? AttentionOracle.Rotate(x, angles.Values.Slice(row * dim, dim)) : Array.ConvertAll(x.ToArray(), v => (double)v);
                double factor = norm && head < 6 ? 1 / Math.Sqrt(expected.Sum(v => v * v) / dim + 1e-5f) : 1;
                factor *= head < 4 ? scales.Values[row] : 1;
                ReadOnlySpan<float> actual = qkv.Values.Slice(row * shape.QkvColumns + head * dim, dim);
                Closeness.Check(Array.ConvertAll(expected, v => v * factor), actual, 1e-6);
                if (head >= 4)
                {
                    CheckCached(step, table, head - 4, 10 + row - 1, actual);
                }
            }
        }
    }

    private static void CheckCached(CpuKvStep step, int[] table, int head, int position, ReadOnlySpan<float> expected)
    {
        KvLayout layout = step.Layout;
        nint part = step.Layer(1) + (nint)(table[position / 8] * layout.BlockBytes);
        for (int c = 0; c < layout.HeadDim; c++)
        {
            int offset = layout.InPairs ? InPairs(layout, head, position % 8, c)
                : head < layout.KvHeads ? (head * layout.HeadDim + c) * 8 + position % 8 : (head * 8 + position % 8) * layout.HeadDim + c;
            float cached = layout.Format == KvFormat.F32 ? ((float*)part)[offset] : Bf16.ToSingle(((ushort*)part)[offset]);
            Assert.Equal(layout.Format == KvFormat.F32 ? expected[c] : Bf16.Round(expected[c]), cached);
        }
    }

    /// <summary>
    /// Blocks of eight slots, heads of at most 64 components: of each head keys [pairs of components, 16 columns, 2], then values
    /// [pairs of slots, components rounded up to 16, 2].
    /// </summary>
    private static int InPairs(KvLayout layout, int head, int slot, int c)
    {
        int components = (layout.HeadDim + 15) / 16 * 16, keys = (layout.HeadDim + 1) / 2 * 32, part = keys + 8 * components;
        return head < layout.KvHeads ? head * part + c / 2 * 32 + 2 * slot + c % 2 : (head - layout.KvHeads) * part + keys + slot / 2 * 2 * components + 2 * c + slot % 2;
    }

    [Fact]
    public void Bf16PagesRoundEverySpecialValueLikeTheScalar()
    {
        AttentionShape shape = new(1, 1, 16);
        KvLayout layout = CpuKvStep.LayoutOf(1, 1, shape, KvFormat.BF16);
        float[] special =
        [
            float.NaN, float.PositiveInfinity, float.NegativeInfinity, float.MaxValue, float.Epsilon, -float.Epsilon, 0f, -0f,
            BitConverter.UInt32BitsToSingle(0x3f808000), BitConverter.UInt32BitsToSingle(0x3f818000), 1.1f, -2.7f,
            BitConverter.UInt32BitsToSingle(0x7f800001), BitConverter.UInt32BitsToSingle(0xffffffff), 3e-39f, 1e30f,
        ];
        using var team = new ThreadTeam(1);
        using var memory = new CpuMemory(layout.BlockBytes);
        using var step = new CpuKvStep(layout, memory, 0, 1);
        using var qkv = new HostTensor(1, 48);
        special.CopyTo(qkv.Values[16..]);
        step.Set(1, [new KvSegment(0, 1, 0, 0)], [0]);
        RotateNormAppend.Run(team, qkv.View, shape, null, null, null, step, 0);
        for (int i = 0; i < 16; i++)
        {
            Assert.Equal(Bf16.FromSingle(special[i]), ((ushort*)memory.Address)[layout.KeyPanels.At(i, 0)]);
        }
    }

    [Fact]
    public void OddHeadsCannotRotate()
    {
        AttentionShape shape = new(1, 1, 5);
        using var team = new ThreadTeam(1);
        using var qkv = new HostTensor(1, 15);
        using var angles = new HostTensor(1, 5);
        using var memory = new CpuMemory(0);
        using var step = new CpuKvStep(new KvLayout(1, 1, 1, 5, KvFormat.F32), memory, 0, 0);
        step.Set(1, [], []);
        Assert.Throws<ArgumentException>(() => RotateNormAppend.Run(team, qkv.View, shape, angles.View, null, null, step, 0));
    }
}
