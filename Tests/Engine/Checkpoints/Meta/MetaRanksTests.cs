using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Checkpoints;
using Llama4Kernels.Engine.Checkpoints.Conversion;
using Llama4Kernels.Engine.Checkpoints.Weights;

namespace Llama4Kernels.Tests.Engine.Checkpoints.Meta;

/// <summary>Any number of ranks joins to the unsplit weights, and a set that is not whole is refused by file and tensor.</summary>
public sealed class MetaRanksTests : IDisposable
{
    private readonly TemporaryFolder _folder = new(), _published = new();
    private readonly SplitModel _model = new(seed: 4);

    public void Dispose()
    {
        _folder.Dispose();
        _published.Dispose();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(8)]
    [InlineData(16)]
    public void AnyNumberOfRanksJoinsToTheUnsplitWeightsBitForBit(int ranks)
    {
        _model.WritePublished(_published);
        _model.WriteMeta(_folder, ranks);
        using Checkpoint whole = Checkpoint.Open(_published.Path), joined = Checkpoint.Open(_folder.Path);
        AssertSameBits(whole, joined);
        Assert.Empty(joined.Warnings);
        Assert.True(joined.HasVision);
    }

    [Fact]
    public void EightRanksConvertToThePublishedLayoutBitForBit()
    {
        _model.WritePublished(_published);
        _model.WriteMeta(_folder, 8);
        using (Checkpoint meta = Checkpoint.Open(_folder.Path))
        {
            CheckpointConverter.Convert(meta, _folder.File("out"));
        }
        using Checkpoint whole = Checkpoint.Open(_published.Path), converted = Checkpoint.Open(_folder.File("out"));
        AssertSameBits(whole, converted);
        Assert.Equal(whole.Tensors.Select(tensor => tensor.ToString()).Order(StringComparer.Ordinal), converted.Tensors.Select(tensor => tensor.ToString()).Order(StringComparer.Ordinal));
    }

    /// <summary>How a set of four ranks is spoilt, and what the error says: the file, the tensor, the reason.</summary>
    public static TheoryData<string, string> Spoilt { get; } = new()
    {
        { "first missing", "consolidated.00.pth: is missing: the files of all ranks are needed, 'consolidated.01.pth' is there." },
        { "middle missing", "consolidated.02.pth: is missing: the files of all ranks are needed, 'consolidated.03.pth' is there." },
        { "last missing", "params.json: vocab_size: is 192, and 'consolidated.00.pth' has 48 rows of it: it is one of 4 files, and there are 3." },
        { "one more", "params.json: vocab_size: is 192, and 'consolidated.00.pth' has 48 rows of it: it is one of 4 files, and there are 6." },
        { "wrong heads", "params.json: n_heads: gives 90, which 4 files (consolidated.*.pth) do not share evenly." },
        { "copy", "consolidated.03.pth: is a copy of 'consolidated.00.pth': every rank has a share of its own." },
        { "of eight", "tok_embeddings.weight [consolidated.02.pth]: has 24 rows, but" },
        { "of eight", "layers.0.attention.wo.weight [consolidated.02.pth]: has shape [48, 48], expected [48, 96]." },
        { "of eight", "layers.1.feed_forward.experts.moe_w_out_eF_D [consolidated.02.pth]: has shape [18, 48], expected [36, 48]." },
        { "float32", "layers.1.attention.wo.weight [consolidated.01.pth]: is F32, but layers.1.attention.wo.weight [consolidated.00.pth] is BF16: they are parts of one weight." },
        { "float32 norm", "norm.weight [consolidated.01.pth]: is F32 [48], but norm.weight [consolidated.00.pth] is BF16 [48]: all files hold it alike." },
        { "tensor missing", "layers.0.feed_forward.mlp.fc2_weight [consolidated.03.pth]: missing, expected [48, 24]." },
        { "tensor more", "layers.0.attention.other [consolidated.03.pth]: the model of this configuration has no such tensor (BF16 [48, 96])." },
        { "short wqkv", "layers.0.attention.wqkv.weight [consolidated.00.pth]: has shape [48, 48], expected [192, 48]." },
        { "cut", "consolidated.01.pth: has no zip directory at its end: it is truncated. Download it again." },
        { "empty", "consolidated.01.pth: is no zip archive, as files of torch.save are" },
    };

    [Theory]
    [MemberData(nameof(Spoilt))]
    public void ASetThatIsNotWholeIsRefusedByFileTensorAndReason(string how, string expected)
    {
        _model.WriteMeta(_folder, 4);
        string Rank(int rank) => _folder.File($"consolidated.{rank:D2}.pth");
        switch (how)
        {
            case "first missing":
                File.Delete(Rank(0));
                break;
            case "middle missing":
                File.Delete(Rank(2));
                break;
            case "last missing":
                File.Delete(Rank(3));
                break;
            case "one more":
                new SplitModel(seed: 5).WriteRank(Rank(4), 0, 4);
                new SplitModel(seed: 5).WriteRank(Rank(5), 1, 4);
                break;
            case "wrong heads":
                _folder.Write("params.json", File.ReadAllText(_folder.File("params.json")).Replace("96, \"n_kv", "90, \"n_kv", StringComparison.Ordinal));
                break;
            case "copy":
                File.Copy(Rank(0), Rank(3), overwrite: true);
                break;
            case "of eight":
                _model.WriteRank(Rank(2), 4, 8);
                break;
            case "float32":
                _model.WriteRank(Rank(1), 1, 4, storage: name => name == "layers.1.attention.wo.weight" ? "FloatStorage" : "BFloat16Storage");
                break;
            case "float32 norm":
                _model.WriteRank(Rank(1), 1, 4, storage: name => name == "norm.weight" ? "FloatStorage" : "BFloat16Storage");
                break;
            case "tensor missing":
                _model.WriteRank(Rank(3), 3, 4, name => name == "layers.0.feed_forward.mlp.fc2_weight" ? null : name);
                break;
            case "tensor more":
                _model.WriteRank(Rank(3), 3, 4, name => name == "layers.0.attention.wo.weight" ? "layers.0.attention.other" : name);
                break;
            case "short wqkv":
                // Fewer rows than the queries alone have: the fused gate and up in its place.
                _model.WriteRank(Rank(0), 0, 4, name => name switch { "layers.0.attention.wqkv.weight" => null, "layers.0.feed_forward.mlp.fc1_weight" => "layers.0.attention.wqkv.weight", _ => name });
                break;
            case "cut":
                File.WriteAllBytes(Rank(1), File.ReadAllBytes(Rank(1))[..^100]);
                break;
            default:
                File.WriteAllBytes(Rank(1), []);
                break;
        }
        Assert.Contains(expected, Assert.Throws<ModelFormatException>(() => Checkpoint.Open(_folder.Path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void VectorsThatRanksShouldHoldAlikeAndDoNotAreAWarning()
    {
        _model.WriteMeta(_folder, 4);
        new SplitModel(seed: 9).WriteRank(_folder.File("consolidated.02.pth"), 2, 4);
        using Checkpoint checkpoint = Checkpoint.Open(_folder.Path);
        Assert.Contains("16 tensors differ from those of the first file, though all files hold them alike; the first is norm.weight [consolidated.02.pth]", Assert.Single(checkpoint.Warnings), StringComparison.Ordinal);
    }

    /// <summary>Values of bf16 are exact in float32, so equal numbers are equal bits; the sign of zero is compared too.</summary>
    private static void AssertSameBits(Checkpoint expected, Checkpoint actual)
    {
        Assert.Equal(expected.Weights.Weights, actual.Weights.Weights);
        foreach (Weight weight in expected.Weights.Weights)
        {
            Assert.True(Bits(expected, weight).AsSpan().SequenceEqual(Bits(actual, weight)), weight.ToString());
        }
    }

    private static int[] Bits(Checkpoint checkpoint, Weight weight) => Array.ConvertAll(checkpoint.Weights.Values(weight), BitConverter.SingleToInt32Bits);
}
