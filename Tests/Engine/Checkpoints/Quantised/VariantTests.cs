using System.Runtime.InteropServices;
using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Checkpoints;
using Llama4Kernels.Engine.Checkpoints.SafeTensors;
using Llama4Kernels.Engine.Checkpoints.Weights;
using Llama4Kernels.Engine.Diagnostics;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Tests.Engine.Checkpoints.Quantised;

/// <summary>
/// Every number of bits, group, type of scale and offset that the tools write, beside those that the references happen to have: the
/// stored values to the bit, the logits of the same values as float32, and no more memory than the file.
/// </summary>
public sealed class VariantTests : IDisposable
{
    private static readonly SafeTensorsType[] s_scales = [SafeTensorsType.BF16, SafeTensorsType.F16, SafeTensorsType.F32];

    private static readonly StoredVariant[] s_variants =
    [
        .. from bits in (int[])[4, 8] from @group in (int[])[16, 32, 64, 128, 0] from zeros in (bool[])[false, true] select StoredVariant.Packed(bits, @group, zeros, s_scales[(bits + @group / 16 + (zeros ? 1 : 0)) % 3]),
        StoredVariant.Packed(4, 32, false, SafeTensorsType.BF16, order: "\"weight\"", unusedOrder: true),
        .. from zeros in (bool[])[false, true] from whole in (bool[])[false, true] select StoredVariant.SignedBytes(zeros, whole, s_scales[zeros ? 0 : 2]),
        StoredVariant.Fp8(1, 0, SafeTensorsType.F32), StoredVariant.Fp8(1, 0, SafeTensorsType.BF16), StoredVariant.Fp8(0, 0, SafeTensorsType.F32),
        StoredVariant.Fp8(128, 128, SafeTensorsType.BF16), StoredVariant.Fp8(64, 64, SafeTensorsType.F32), StoredVariant.Fp8(32, 128, SafeTensorsType.F16), StoredVariant.Fp8(100, 96, SafeTensorsType.F32),
        .. from bits in (int[])[4, 8] from @group in (int[])[32, 64, 128] select StoredVariant.Mlx(bits, @group, s_scales[(bits / 4 + @group / 32) % 3]),
    ];

    private readonly TemporaryFolder _folder = new();

    public static TheoryData<int, string> Variants { get; } = [.. s_variants.Select((variant, index) => new TheoryDataRow<int, string>(index, variant.Name))];

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Variants))]
    public void ValuesToTheBitLogitsAndMemory(int index, string name)
    {
        (string stored, string plain) = VariantModel.Write(_folder, s_variants[index]);
        using Checkpoint a = Checkpoint.Open(stored), b = Checkpoint.Open(plain);
        foreach (Weight weight in a.Weights.Weights)
        {
            float[] own = a.Weights.Values(weight), expected = b.Weights.Values(b.Weights[weight.Role, weight.Layer, weight.Expert]);
            Assert.True(MemoryMarshal.AsBytes(own.AsSpan()).SequenceEqual(MemoryMarshal.AsBytes(expected.AsSpan())), $"{name}, {weight}: other bits");
        }
        using Llama4Model quantised = Llama4Model.Load(stored, new ModelOptions { Threads = 1 }), reference = Llama4Model.Load(plain, new ModelOptions { Threads = 1 });
        double error = ReferenceMetrics.Relative(Logits(quantised), Logits(reference));
        Assert.True(error <= 1e-5, $"{name}: {error:E2}");
        Assert.All(quantised.Text.Weights.Layers[1].Experts, expert => Assert.NotEqual(ScaleKind.None, expert.Down.Format.Scale));
        long bytes = a.Tensors.Where(tensor => !tensor.Name.Contains("embed_tokens", StringComparison.Ordinal)).Sum(tensor => tensor.Bytes);
        Assert.True(quantised.WeightBytes <= 1.1 * bytes, $"{name}: {quantised.WeightBytes} bytes of {bytes} stored");
    }

    [Theory]
    [InlineData("\"group\"", "use a file quantised with actorder 'weight' or null")]
    [InlineData("\"dynamic\"", "use a file quantised with actorder 'weight' or null")]
    [InlineData("true", "use a file quantised with actorder 'weight' or null")]
    public void RegroupedColumnsAreRefused(string order, string expected) =>
        Refused(StoredVariant.Packed(4, 32, false, SafeTensorsType.BF16, order), expected);

    [Fact]
    public void AnOrderThatIsUsedIsRefusedAlthoughTheConfigurationIsSilent()
    {
        StoredVariant plain = StoredVariant.Packed(4, 64, false, SafeTensorsType.BF16);
        Refused(
            plain with
            {
                Store = m =>
                {
                    m.Add(".weight_g_idx", SafeTensorsType.I32, [m.Columns], MemoryMarshal.AsBytes<int>([.. Enumerable.Range(0, m.Columns).Select(c => c * 7 % m.Columns / 64)]).ToArray());
                    return plain.Store(m);
                },
            },
            "columns are regrouped (g_idx)");
    }

    [Fact]
    public void AnOrderThatLeavesGroupsOneAfterAnotherIsNone()
    {
        string folder = VariantModel.Write(_folder, Ordered(c => c / 64)).Stored;
        Checkpoint.Open(folder).Dispose();
        Refused(Ordered(c => c == 70 ? 0 : c / 64), "columns are regrouped (g_idx)");
        Refused(Ordered(c => c / 64, columns => columns - 1), "expected I32 [");

        static StoredVariant Ordered(Func<int, int> groupOf, Func<int, int>? length = null)
        {
            StoredVariant plain = StoredVariant.Packed(4, 64, false, SafeTensorsType.BF16);
            return plain with
            {
                Store = m =>
                {
                    int[] order = [.. Enumerable.Range(0, length?.Invoke(m.Columns) ?? m.Columns).Select(groupOf)];
                    m.Add(".weight_g_idx", SafeTensorsType.I32, [order.Length], MemoryMarshal.AsBytes<int>(order).ToArray());
                    return plain.Store(m);
                },
            };
        }
    }

    [Fact]
    public void ExpertsOfOneLayerMayBeStoredEachInItsOwnWay()
    {
        StoredVariant four = StoredVariant.Packed(4, 32, true, SafeTensorsType.BF16), eight = StoredVariant.Packed(8, 64, false, SafeTensorsType.F16), bytes = StoredVariant.SignedBytes(true, false, SafeTensorsType.BF16);
        StoredVariant mixed = new("mixed", null, m => (m.Name.Contains("experts.1.", StringComparison.Ordinal) ? eight : m.Name.EndsWith("experts.2.up_proj", StringComparison.Ordinal) ? bytes : four).Store(m));
        (string stored, string plain) = VariantModel.Write(_folder, mixed);
        using Llama4Model quantised = Llama4Model.Load(stored, new ModelOptions { Threads = 1 }), reference = Llama4Model.Load(plain, new ModelOptions { Threads = 1 });
        Assert.InRange(ReferenceMetrics.Relative(Logits(quantised), Logits(reference)), 0, 1e-5);
        Assert.Equal(["uint4g32-bf16-zero", "int8g64-f16", "uint4g32-bf16-zero"], quantised.Text.Weights.Layers[1].Experts.Select(expert => expert.Down.Format.Name));
        using Checkpoint checkpoint = Checkpoint.Open(stored);
        long size = checkpoint.Tensors.Where(tensor => !tensor.Name.Contains("embed_tokens", StringComparison.Ordinal)).Sum(tensor => tensor.Bytes);
        Assert.True(quantised.WeightBytes <= 1.1 * size, $"{quantised.WeightBytes} bytes of {size} stored");
    }

    private void Refused(StoredVariant variant, string expected)
    {
        string folder = VariantModel.Write(_folder, variant).Stored;
        Assert.Contains(expected, Assert.Throws<ModelFormatException>(() => Checkpoint.Open(folder)).Message, StringComparison.Ordinal);
    }

    private static float[] Logits(Llama4Model model) =>
        ModelRunner.Run(model, [1, 17, 60, 5, 17, 90, 33], new RunOptions { Positions = [0, 1, 2, 3, 4, 5, 6] }).Logits;
}
