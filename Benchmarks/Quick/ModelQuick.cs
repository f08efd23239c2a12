using System.Diagnostics;
using Llama4Kernels.Benchmarks.Machine;
using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Diagnostics;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Scheduling;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Benchmarks.Quick;

/// <summary>
/// Whole models with random weights: loading against the time that fresh memory of the same size takes, decoding against
/// the read bandwidth, and the vision encoder of the published sizes against the arithmetic peaks.
/// </summary>
internal static class ModelQuick
{
    // 1.0 billion parameters, 1.6 GB of them read for a token: far larger than any cache.
    private const string Text = """
        {"architectures":["Llama4ForCausalLM"],"model_type":"llama4_text","hidden_size":2048,"num_hidden_layers":12,"num_attention_heads":16,
         "num_key_value_heads":4,"head_dim":128,"intermediate_size":4096,"intermediate_size_mlp":8192,"vocab_size":32000,"num_local_experts":2,
         "num_experts_per_tok":1,"attention_chunk_size":8192,"max_position_embeddings":32768,"bos_token_id":1,"eos_token_id":2,"use_qk_norm":true,
         "rope_theta":500000.0,"rms_norm_eps":1e-5}
        """;

    // The published vision tower (34 layers of 1408, 336-pixel tiles) beside a text model of one small layer.
    private const string Picture = """
        {"architectures":["Llama4ForConditionalGeneration"],"model_type":"llama4","boi_token_index":10,"eoi_token_index":11,"image_token_index":12,
         "text_config":{"model_type":"llama4_text","hidden_size":5120,"num_hidden_layers":1,"num_attention_heads":4,"num_key_value_heads":1,"head_dim":128,
          "intermediate_size":64,"intermediate_size_mlp":64,"vocab_size":1000,"num_local_experts":1,"num_experts_per_tok":1,"moe_layers":[],
          "max_position_embeddings":32768,"bos_token_id":1,"eos_token_id":2,"rope_theta":500000.0,"rms_norm_eps":1e-5},
         "vision_config":{"model_type":"llama4_vision_model","hidden_size":1408,"num_hidden_layers":34,"num_attention_heads":16,"intermediate_size":5632,
          "image_size":336,"patch_size":14,"num_channels":3,"hidden_act":"gelu","pixel_shuffle_ratio":0.5,"projector_input_dim":4096,
          "projector_output_dim":4096,"vision_output_dim":4096}}
        """;

    // Spec 11.3: linear, attention, adapter, projector and patch embedding of one tile.
    private const double FlopsPerTile = 1.016e12;

    // With bfloat16 weights int8 is the same as bfloat16.
    private static readonly ActivationPrecision[] s_precisions = [ActivationPrecision.Float32, ActivationPrecision.BFloat16];

    public static void Decode()
    {
        using var checkpoint = new RandomModel(Text);
        using var team = new ThreadTeam();
        foreach (ActivationPrecision precision in s_precisions)
        {
            long start = Stopwatch.GetTimestamp();
            using Llama4Model model = Llama4Model.Load(checkpoint.Folder, new ModelOptions { Activations = precision });
            double load = Stopwatch.GetElapsedTime(start).TotalSeconds;
            List<(nint, long)> weights = WeightsOfAToken(model);
            double before = ReadBandwidth.Measure(team, weights);
            double fresh = Ceilings.FreshMemory(team, model.WeightBytes);
            Console.WriteLine($"{precision}: {model.WeightBytes / 1e9:F2} GB of weights, loaded in {load:F1} s; the system supplies as much fresh memory in {fresh:F1} s");
            using var runner = new ModelRunner(model);
            foreach (int context in (int[])[16, 1024, 4096])
            {
                using Sequence sequence = runner.CreateSequence();
                sequence.Reserve(context + 40);
                int[] ids = [.. Enumerable.Range(0, context).Select(i => 3 + (i * 7919 % 31000))];
                start = Stopwatch.GetTimestamp();
                runner.Prefill(sequence, Prompt.FromIds(ids));
                double prefill = Stopwatch.GetElapsedTime(start).TotalSeconds;
                double seconds = double.PositiveInfinity;
                for (int i = 0; i < 24; i++)
                {
                    start = Stopwatch.GetTimestamp();
                    runner.Decode([sequence], [5 + i]);
                    seconds = Math.Min(seconds, Stopwatch.GetElapsedTime(start).TotalSeconds);
                }
                double ceiling = Math.Max(before, ReadBandwidth.Measure(team, weights));
                double rate = model.WeightBytesPerToken / seconds;
                Console.WriteLine($"  context {context,-5} prefill {context / prefill,7:F0} tokens/s, decode {1 / seconds,6:F1} tokens/s, weights read at {rate / 1e9:F1} GB/s of {ceiling / 1e9:F1}: {rate / ceiling:P0}");
            }
        }
    }

    /// <summary>The ceiling is read from the very pages that decoding reads: their place in memory decides their speed.</summary>
    private static unsafe List<(nint, long)> WeightsOfAToken(Llama4Model model)
    {
        TextWeights w = model.Text.Weights;
        IEnumerable<IMatrix> matrices = w.Layers.SelectMany(l => (IMatrix[])[l.Qkv, l.Output, l.FeedForward.GateUp, l.FeedForward.Down, l.Experts[0].GateUp, l.Experts[0].Down]);
        return [.. matrices.Append(w.LmHead).Select(m => ((nint)((PackedMatrix)m).Panel(0), m.Bytes))];
    }

    public static void Vision()
    {
        using var checkpoint = new RandomModel(Picture);
        using var team = new ThreadTeam();
        foreach (ActivationPrecision precision in s_precisions)
        {
            using Llama4Model model = Llama4Model.Load(checkpoint.Folder, new ModelOptions { Activations = precision });
            VisionModel vision = model.Vision!;
            foreach (int tiles in (int[])[1, 5])
            {
                ushort[] pixels = new ushort[tiles * vision.PixelsPerTile];
                double before = Peak(team, precision), seconds = Ceilings.Best(3, () => vision.Encode(pixels, tiles).Dispose());
                double peak = Math.Max(before, Peak(team, precision));
                double rate = tiles * FlopsPerTile / seconds;
                Console.WriteLine($"{precision,-9} {tiles} tiles: {tiles / seconds:F2} tiles/s, {rate / 1e9:F0} GFLOP/s of {peak / 1e9:F0}: {rate / peak:P0}");
            }
        }
    }

    private static double Peak(ThreadTeam team, ActivationPrecision precision) =>
        precision == ActivationPrecision.BFloat16 ? Ceilings.DotPeak(team) : Ceilings.FmaPeak(team);
}
