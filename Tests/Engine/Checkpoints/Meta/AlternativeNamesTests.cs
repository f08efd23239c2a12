using System.Runtime.InteropServices;
using Llama4Kernels.Engine.Checkpoints;
using Llama4Kernels.Engine.Checkpoints.Weights;

namespace Llama4Kernels.Tests.Engine.Checkpoints.Meta;

/// <summary>
/// The names that Meta's code gives the same weights elsewhere: projections apart instead of fused, norms and shared experts as in
/// earlier models, experts in three dimensions. The references rewritten in them are the references, for one rank and for two.
/// </summary>
public sealed class AlternativeNamesTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("tiny-scout-1", 1)]
    [InlineData("tiny-maverick", 2)]
    public void EveryOtherNameOfAWeightIsKnown(string golden, int ranks)
    {
        string from = GoldenFiles.Path("meta", golden);
        File.Copy(Path.Combine(from, "params.json"), _folder.File("params.json"));
        using Checkpoint usual = Checkpoint.Open(from);
        int queries = usual.Weights[WeightRole.Query, 0].Rows / ranks;
        HashSet<string> renamed = [];
        for (int rank = 0; rank < ranks; rank++)
        {
            string end = ranks == 1 ? "" : $" [consolidated.0{rank}.pth]";
            var writer = new PthWriter();
            foreach (StoredTensor tensor in usual.Tensors.Where(tensor => ranks == 1 || tensor.Name.EndsWith(end, StringComparison.Ordinal)))
            {
                string name = tensor.Name[..^end.Length];
                foreach ((string other, Range rows, long[] shape) in Others(name, [.. tensor.Shape], queries, usual.Config.Text.Experts))
                {
                    if (other != name)
                    {
                        renamed.Add(name);
                    }
                    long columns = tensor.Shape.Skip(1).Aggregate(1L, (a, b) => a * b);
                    byte[] all = Bytes(usual, tensor);
                    (int offset, int length) = rows.GetOffsetAndLength(checked((int)tensor.Shape.FirstOrDefault(1)));
                    int row = checked((int)columns * tensor.Type.BlockBytes);
                    writer.Tensor(other, writer.Storage(all[(offset * row)..((offset + length) * row)], tensor.Type.Name == "BF16" ? "BFloat16Storage" : "FloatStorage", tensor.Type.BlockBytes), shape, Strides(shape));
                }
            }
            _folder.Write($"consolidated.0{rank}.pth", writer.ToArray());
        }
        Assert.InRange(renamed.Count(name => name.StartsWith("layers.1.", StringComparison.Ordinal)), 8, 99);
        using Checkpoint others = Checkpoint.Open(_folder.Path);
        Assert.Equal(usual.Weights.Weights, others.Weights.Weights);
        foreach (Weight weight in usual.Weights.Weights)
        {
            Assert.True(MemoryMarshal.AsBytes(usual.Weights.Values(weight).AsSpan()).SequenceEqual(MemoryMarshal.AsBytes(others.Weights.Values(weight).AsSpan())), weight.ToString());
        }
    }

    /// <summary>What a tensor is called elsewhere, with the rows that go there and their shape.</summary>
    private static IEnumerable<(string Name, Range Rows, long[] Shape)> Others(string name, long[] shape, int queries, int experts)
    {
        int fused = name.IndexOf("attention.wqkv.weight", StringComparison.Ordinal), gates = name.IndexOf("mlp.fc1_weight", StringComparison.Ordinal);
        if (fused >= 0)
        {
            string attention = name[..(fused + "attention.".Length)];
            int keys = ((int)shape[0] - queries) / 2;
            yield return (attention + "wq.weight", ..queries, [queries, shape[1]]);
            yield return (attention + "wk.weight", queries..(queries + keys), [keys, shape[1]]);
            yield return (attention + "wv.weight", (queries + keys).., [keys, shape[1]]);
        }
        else if (gates >= 0)
        {
            int half = (int)shape[0] / 2;
            yield return (name[..gates] + "w1.weight", ..half, [half, shape[1]]);
            yield return (name[..gates] + "w3.weight", half.., [half, shape[1]]);
        }
        else if (name.Contains(".experts.moe_w_", StringComparison.Ordinal))
        {
            string other = name.Replace("moe_w_in_eD_F", "w1", StringComparison.Ordinal).Replace("moe_w_swiglu_eD_F", "w3", StringComparison.Ordinal).Replace("moe_w_out_eF_D", "w2", StringComparison.Ordinal);
            yield return (other, .., [experts, shape[0] / experts, shape[1]]);
        }
        else
        {
            yield return (Renamed(name), .., shape);
        }
    }

    private static string Renamed(string name) => name
        .Replace("attention.wqkv.layer_norm_weight", "attention_norm.weight", StringComparison.Ordinal)
        .Replace("feed_forward.mlp.layer_norm_weight", "ffn_norm.weight", StringComparison.Ordinal)
        .Replace("feed_forward.norm.weight", "ffn_norm.weight", StringComparison.Ordinal)
        .Replace("mlp.fc2_weight", "w2.weight", StringComparison.Ordinal)
        .Replace("w_in_shared_FD.weight", "shared_expert.w1.weight", StringComparison.Ordinal)
        .Replace("w_swiglu_FD.weight", "shared_expert.w3.weight", StringComparison.Ordinal)
        .Replace("w_out_shared_DF.weight", "shared_expert.w2.weight", StringComparison.Ordinal);

    private static long[] Strides(long[] shape)
    {
        long[] strides = new long[shape.Length];
        long next = 1;
        for (int i = shape.Length - 1; i >= 0; i--)
        {
            (strides[i], next) = (next, next * shape[i]);
        }
        return strides;
    }

    /// <summary>The elements in order, gaps left out.</summary>
    private static unsafe byte[] Bytes(Checkpoint checkpoint, StoredTensor tensor)
    {
        byte* data = (byte*)checkpoint.Source.Address(tensor);
        int size = tensor.Type.BlockBytes;
        byte[] elements = new byte[tensor.Elements * size];
        long columns = tensor.Shape.Count == 2 ? tensor.Shape[1] : tensor.Elements;
        for (long i = 0; i < tensor.Elements; i++)
        {
            long at = tensor.Strides switch { null => i, [var only] => i * only, var both => i / columns * both[0] + i % columns * both[1] };
            new ReadOnlySpan<byte>(data + at * size, size).CopyTo(elements.AsSpan((int)i * size));
        }
        return elements;
    }
}
