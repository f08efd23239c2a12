using Llama4Kernels.Engine.Diagnostics;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Tests.Oracles;

namespace Llama4Kernels.Tests.Engine.Model;

/// <summary>Checkpoints of shapes and settings that no release has, against the plain float64 forward pass.</summary>
public sealed class ShapeTests
{
    private static readonly Dictionary<string, object?> s_none = [];

    private static readonly Dictionary<string, (ForwardOracleShape Shape, Dictionary<string, object?> Settings)> s_cases = new()
    {
        ["three heads on one, d 20"] = (new() { Heads = 3, KvHeads = 1, HeadDim = 20, Vocabulary = 777 }, s_none),
        ["six heads on three, d 36"] = (new() { Heads = 6, KvHeads = 3, HeadDim = 36, QkNorm = false }, s_none),
        ["odd widths, chunk 7"] = (new() { Hidden = 100, ExpertWidth = 52, DenseWidth = 76, Chunk = 7, Moe = [false, true, false, true] },
            new() { ["moe_layers"] = null, ["interleave_moe_layer_step"] = 2 }),
        ["chunk 13, first layer without rotation"] = (new() { Chunk = 13, Rope = [false, true, true, false, true], Moe = [true, true, false, true, true] }, s_none),
        ["no rotation anywhere"] = (new() { Rope = [false, false, false], Moe = [true, true, true] }, s_none),
        ["rotation everywhere, no chunks"] = (new() { Rope = [true, true, true], Moe = [true, false, true], Chunk = null },
            new() { ["no_rope_layers"] = Array.Empty<int>(), ["no_rope_layer_interval"] = 9 }),
        ["default rotation pattern, two in four"] = (new() { Rope = [true, false, true, false], Chunk = 16 },
            new() { ["no_rope_layers"] = DBNull.Value, ["no_rope_layer_interval"] = 2, ["moe_layers"] = DBNull.Value }),
        ["layer types against rotation"] = (new() { Chunk = 11, Chunked = [false, true, true, true] },
            new() { ["layer_types"] = new[] { "full_attention", "chunked_attention", "chunked_attention", "chunked_attention" } }),
        ["two of five experts"] = (new() { Experts = 5, PerToken = 2 }, s_none),
        ["three of five experts, width 52"] = (new() { Experts = 5, PerToken = 3, ExpertWidth = 52, Hidden = 100 }, s_none),
        ["dense, no experts"] = (new() { Moe = [false, false, false, false], Experts = 0, PerToken = 0 }, s_none),
        ["attention bias"] = (new() { Bias = true, Heads = 5, KvHeads = 5, HeadDim = 12 }, s_none),
        ["tied embeddings"] = (new() { Tied = true, Vocabulary = 333 }, s_none),
        ["temperature off"] = (new() { Temperature = false }, s_none),
        ["temperature by the integer 4"] = (new() { FloorScale = 5, AttnScale = 0.7 }, new() { ["attn_temperature_tuning"] = 4 }),
        ["interpolated frequencies"] = (new() { HeadDim = 36, Theta = 10000, Scaling = (8, 1, 4, 256) }, s_none),
        ["step three"] = (new() { Rope = [true, true, false, true, true, false], Moe = [false, false, true, false, false, true] },
            new() { ["moe_layers"] = null, ["interleave_moe_layer_step"] = 3 }),
    };

    public static TheoryData<string, bool> Cases()
    {
        var data = new TheoryData<string, bool>();
        foreach (string name in s_cases.Keys)
        {
            data.Add(name, data.Count % 3 == 1);
        }
        return data;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void LogitsAndRoutersEqualThePlainForwardPass(string name, bool nested)
    {
        (ForwardOracleShape shape, Dictionary<string, object?> settings) = s_cases[name];
        using var checkpoint = new RandomCheckpoint(shape, settings, nested, seed: 11);
        using Llama4Model model = Llama4Model.Load(checkpoint.Folder, new ModelOptions { Threads = 2 });
        var random = new Random(5);
        int[] ids = [.. Enumerable.Range(0, 75).Select(_ => random.Next(shape.Vocabulary))];
        var oracle = new ForwardOracle(shape, checkpoint.Weights);
        float[] expected = [.. oracle.Run(ids).SelectMany(row => row).Select(value => (float)value)];

        LogitsResult whole = ModelRunner.Run(model, ids, new RunOptions { CaptureHidden = true });
        CheckRouters(whole, oracle, shape);
        double error = ReferenceMetrics.Relative(whole.Logits, expected);
        Assert.True(error <= 1e-5, $"logits differ by {error:E2} of their range");

        LogitsResult parts = ModelRunner.Run(model, ids, new RunOptions { PrefillChunk = 5 });
        double difference = ReferenceMetrics.Relative(parts.Logits, whole.Logits);
        Assert.True(difference <= 2e-6, $"in steps of five, logits differ by {difference:E2} of their range");
    }

    private static void CheckRouters(LogitsResult result, ForwardOracle oracle, ForwardOracleShape shape)
    {
        Assert.Equal(shape.Moe.Count(moe => moe), result.Routers.Count);
        int k = shape.PerToken;
        foreach (((int layer, int token), double[] router) in oracle.Routers)
        {
            int[] order = [.. Enumerable.Range(0, shape.Experts).OrderByDescending(e => router[e])];
            if (k < order.Length && router[order[k - 1]] - router[order[k]] < 1e-4)
            {
                continue;
            }
            (int[] experts, float[] scores) = result.Routers[layer];
            Dictionary<int, float> chosen = Enumerable.Range(token * k, k).ToDictionary(i => experts[i], i => scores[i]);
            Assert.Equal(order[..k].Order(), chosen.Keys.Order());
            foreach ((int expert, float score) in chosen)
            {
                Assert.Equal(1 / (1 + Math.Exp(-router[expert])), score, 1e-5);
            }
        }
    }
}
