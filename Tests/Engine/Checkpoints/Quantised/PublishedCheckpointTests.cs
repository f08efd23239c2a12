using Llama4Kernels.Engine.Checkpoints;
using Llama4Kernels.Engine.Checkpoints.SafeTensors;
using Llama4Kernels.Engine.Checkpoints.Weights;
using Llama4Kernels.Engine.Diagnostics;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Tests.Engine.Model;

namespace Llama4Kernels.Tests.Engine.Checkpoints.Quantised;

/// <summary>Checkpoints in the layouts of other people's tools: decoded weights to the bit, logits, and the memory they take.</summary>
public sealed class PublishedCheckpointTests
{
    public static TheoryData<string> Names =>
        ["pack-int4-group128", "pack-int4-asym-group32", "int8-channel", "fp8-block", "modelopt-fp8", "mlx-4bit", "pack-int4-group32", "fp8-dynamic"];

    [Theory]
    [MemberData(nameof(Names))]
    public void LogitsEqualTheReference(string name)
    {
        using Llama4Model model = Llama4Model.Load(Folder(name));
        using ReferenceFile golden = References.Open(Folder(name), "text-40");
        References.Check(model, golden, capture: false);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void WeightsEqualTheReferenceToTheBit(string name)
    {
        using Checkpoint checkpoint = Checkpoint.Open(Folder(name));
        using SafeTensorsFile golden = SafeTensorsFile.Open(Path.Combine(Folder(name), "dequantised.safetensors"));
        Dictionary<string, float[]> expected = golden.Tensors.ToDictionary(tensor => tensor.Name, tensor => golden.ReadFloats(tensor.Name));
        HashSet<string> compared = [];
        foreach (Weight weight in checkpoint.Weights.Weights.Where(weight => !weight.IsVector))
        {
            WeightPart part = checkpoint.Naming.Locate(weight).Parts[0];
            string key = weight.Expert < 0 || part.Transposed ? part.Tensor : Apart(part.Tensor, weight);
            if (!expected.TryGetValue(key, out float[]? values))
            {
                continue;
            }
            compared.Add(key);
            if (part.Transposed)
            {
                // Fused experts [experts, in, out].
                float[] fused = values;
                values = [.. from row in Enumerable.Range(0, weight.Rows)
                             from column in Enumerable.Range(0, weight.Columns)
                             select fused[(part.FirstRow + column) * part.RowElements + part.FirstColumn + row]];
            }
            Assert.Equal(values, checkpoint.Weights.Values(weight));
        }
        Assert.Equal(expected.Keys.Order(), compared.Order());
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void QuantisedWeightsTakeWhatTheyTakeInTheFile(string name)
    {
        using Checkpoint checkpoint = Checkpoint.Open(Folder(name));
        using var backend = new CpuBackend();
        long packed = 0;
        bool any = false;
        foreach (Weight weight in checkpoint.Weights.Weights.Where(weight => weight.Role != WeightRole.Embedding && !weight.IsVector))
        {
            MatrixSource source = checkpoint.Weights.Open(weight);
            if (source.Format is { Scale: not ScaleKind.None } format)
            {
                using IMatrix matrix = backend.Pack([source]);
                Assert.Equal(format, matrix.Format);
                packed += matrix.Bytes;
                any = true;
            }
        }
        long stored = checkpoint.Tensors.Where(tensor => !tensor.Name.Contains("embed_tokens", StringComparison.Ordinal) && IsQuantised(tensor)).Sum(tensor => tensor.Bytes);
        Assert.True(any);
        Assert.True(packed <= 1.05 * stored, $"{packed} bytes packed, {stored} stored: {(double)packed / stored:F3}");
    }

    [Fact]
    public void SymmetricGroupsOf128AreTheEnginesInt4BitForBit()
    {
        using Checkpoint checkpoint = Checkpoint.Open(Folder("pack-int4-group128"));
        using var backend = new CpuBackend();
        int count = 0;
        foreach (Weight weight in checkpoint.Weights.Weights.Where(weight => !weight.IsVector))
        {
            MatrixSource source = checkpoint.Weights.Open(weight);
            if (source.Format != WeightFormat.Int4)
            {
                continue;
            }
            using var packed = (Llama4Kernels.Kernels.MatMul.PackedMatrix)backend.Pack([source]);
            float[] values = checkpoint.Weights.Values(weight);
            for (int i = 0; i < values.Length; i += 7)
            {
                (int row, int column) = (i / weight.Columns, i % weight.Columns);
                Assert.Equal(values[i], Kernels.Quantization.PackedCodes.Code(packed, row, column) * Kernels.Quantization.PackedCodes.Scale(packed, row, column));
            }
            count++;
        }
        Assert.True(count > 4);
    }

    private static bool IsQuantised(StoredTensor tensor) =>
        !tensor.Type.IsPlain || tensor.Name.EndsWith("_scale", StringComparison.Ordinal) && !tensor.Name.EndsWith("input_scale", StringComparison.Ordinal)
        || tensor.Name.EndsWith(".scales", StringComparison.Ordinal) || tensor.Name.EndsWith(".biases", StringComparison.Ordinal);

    /// <summary>A routed expert's name as the reference has it, one tensor each.</summary>
    private static string Apart(string tensor, Weight weight)
    {
        string layer = tensor[..(tensor.IndexOf(".experts.", StringComparison.Ordinal) + ".experts.".Length)];
        string kind = weight.Role switch { WeightRole.ExpertGate => "gate_proj", WeightRole.ExpertUp => "up_proj", _ => "down_proj" };
        return $"{layer}{weight.Expert}.{kind}.weight";
    }

    internal static string Folder(string name)
    {
        string own = GoldenFiles.Path("quantised", name), shared = Path.Combine(GoldenFiles.Repository, "..", "shared", "golden", "quantised", name);
        Assert.SkipUnless(Directory.Exists(own) || Directory.Exists(shared), $"{name} is among the larger references, which lie beside the repository.");
        return Directory.Exists(own) ? own : Path.GetFullPath(shared);
    }
}
