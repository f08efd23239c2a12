using System.Globalization;
using System.Runtime.InteropServices;
using Llama4Kernels.Engine.Checkpoints;
using Llama4Kernels.Engine.Checkpoints.SafeTensors;
using Llama4Kernels.Engine.Config;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Tests.Engine.Checkpoints;
using Llama4Kernels.Tests.Engine.Checkpoints.Gguf;
using Llama4Kernels.Tests.Engine.Checkpoints.Meta;
using Llama4Kernels.Tests.Engine.Checkpoints.Quantised;

namespace Llama4Kernels.Tests.Engine.Model;

/// <summary>While a model loads, its file's pages do not pile up beside the packed weights.</summary>
public sealed class LoadMemoryTests
{
    public static bool HasMaps => File.Exists("/proc/self/smaps");

    /// <summary>Of every format a quarter of the files at most, at any time: what is packed is given back, scales too.</summary>
    [Theory(SkipUnless = nameof(HasMaps), Skip = "Only Linux tells how much of a mapped file is in memory.")]
    [InlineData("int4 groups of 128")]
    [InlineData("int4 with zero points")]
    [InlineData("int8 rows")]
    [InlineData("FP8 rows")]
    [InlineData("FP8 blocks")]
    [InlineData("MLX")]
    [InlineData("Meta")]
    [InlineData("Q4_K")]
    [InlineData("Q6_K")]
    [InlineData("Q8_0")]
    [InlineData("F16")]
    public void PagesOfEveryFormatAreGivenBack(string format)
    {
        using var folder = new TemporaryFolder();
        string path = format switch
        {
            "int4 groups of 128" => Variant(StoredVariant.Packed(4, 128, false, SafeTensorsType.BF16), m => m.Filled(".weight_packed", SafeTensorsType.I32, m.Columns / 8).Filled(".weight_scale", SafeTensorsType.BF16, m.Columns / 128)),
            "int4 with zero points" => Variant(StoredVariant.Packed(4, 32, true, SafeTensorsType.BF16), m =>
            {
                m.Filled(".weight_packed", SafeTensorsType.I32, m.Columns / 8).Filled(".weight_scale", SafeTensorsType.BF16, m.Columns / 32);
                (m with { Rows = m.Rows / 8 }).Filled(".weight_zero_point", SafeTensorsType.I32, m.Columns / 32);
            }),
            "int8 rows" => Variant(StoredVariant.SignedBytes(false, false, SafeTensorsType.BF16), m => m.Filled(".weight", SafeTensorsType.I8, m.Columns).Filled(".weight_scale", SafeTensorsType.BF16, 1)),
            "FP8 rows" => Variant(StoredVariant.Fp8(1, 0, SafeTensorsType.BF16), m => m.Filled(".weight", SafeTensorsType.F8_E4M3, m.Columns).Filled(".weight_scale", SafeTensorsType.BF16, 1)),
            "FP8 blocks" => Variant(StoredVariant.Fp8(128, 128, SafeTensorsType.BF16), m =>
            {
                m.Filled(".weight", SafeTensorsType.F8_E4M3, m.Columns);
                (m with { Rows = m.Rows / 128 }).Filled(".weight_scale", SafeTensorsType.BF16, m.Columns / 128);
            }),
            "MLX" => Variant(StoredVariant.Mlx(4, 64, SafeTensorsType.BF16), m =>
                m.Filled(".weight", SafeTensorsType.U32, m.Columns / 8).Filled(".scales", SafeTensorsType.BF16, m.Columns / 64).Filled(".biases", SafeTensorsType.BF16, m.Columns / 64)),
            "Meta" => Meta(folder),
            "Q4_K" => Blocks(12, 256, 144),
            "Q6_K" => Blocks(14, 256, 210),
            "Q8_0" => Blocks(8, 32, 34),
            _ => Blocks(1, 1, 2),
        };
        long bytes = Directory.Exists(path) ? new DirectoryInfo(path).EnumerateFiles().Sum(file => file.Length) : new FileInfo(path).Length;
        var watch = new Watch(path, every: 1);
        using Llama4Model model = Llama4Model.Load(path, new ModelOptions { Threads = 1 }, watch);
        Assert.True(watch.Samples > 10);
        Assert.True(watch.Most > 0 && watch.Most <= bytes / 4 + (512 << 10), $"{format}: {watch.Most} of {bytes} bytes are in memory after {watch.After}");

        string Variant(StoredVariant variant, Action<StoredModule> fill) => VariantModel.WriteStored(folder, variant with { Store = m => Shape(m, fill) }, scale: 8);

        // Packed words tell their matrix's shape in a tensor.
        static float[] Shape(StoredModule m, Action<StoredModule> fill)
        {
            int first = m.Tensors.Count;
            fill(m);
            if (m.Tensors[first].Name.EndsWith("_packed", StringComparison.Ordinal))
            {
                m.Add(".weight_shape", SafeTensorsType.I64, [2], MemoryMarshal.AsBytes<long>([m.Rows, m.Columns]).ToArray());
            }
            return [];
        }

        string Blocks(uint type, int elements, int size)
        {
            TinyGguf.Write(folder.File("model.gguf"), type, values => new byte[values.Length / elements * size], fileType: 0);
            return folder.File("model.gguf");
        }
    }

    /// <summary>Two ranks of a layer with experts, 50 MB.</summary>
    private static string Meta(TemporaryFolder folder)
    {
        const int D = 1024, F = 2048, E = 4, V = 256, Ranks = 2;
        folder.Write("params.json", $$"""
            {"dim": {{D}}, "n_layers": 1, "n_heads": 8, "n_kv_heads": 2, "vocab_size": {{V}}, "multiple_of": 256, "ffn_dim_multiplier": 0.75, "ffn_exp": 8,
             "norm_eps": 1e-05, "rope_theta": 500000, "attention_chunk_size": 8192, "moe_args": {"num_experts": {{E}} } }
            """);
        (string Name, long[] Shape)[] tensors =
        [
            ("tok_embeddings.weight", [V / Ranks, D]), ("output.weight", [V / Ranks, D]), ("norm.weight", [D]), ("layers.0.attention.wqkv.weight", [12 * 128 / Ranks, D]),
            ("layers.0.attention.wqkv.layer_norm_weight", [D]), ("layers.0.attention.wo.weight", [D, D / Ranks]), ("layers.0.feed_forward.norm.weight", [D]),
            ("layers.0.feed_forward.router_DE", [D, E]), ("layers.0.feed_forward.experts.moe_w_in_eD_F", [E * D, F / Ranks]), ("layers.0.feed_forward.experts.moe_w_swiglu_eD_F", [E * D, F / Ranks]),
            ("layers.0.feed_forward.experts.moe_w_out_eF_D", [E * F / Ranks, D]), ("layers.0.feed_forward.w_in_shared_FD.weight", [F / Ranks, D]),
            ("layers.0.feed_forward.w_swiglu_FD.weight", [F / Ranks, D]), ("layers.0.feed_forward.w_out_shared_DF.weight", [D, F / Ranks]),
        ];
        for (int rank = 0; rank < Ranks; rank++)
        {
            var file = new PthWriter();
            foreach ((string name, long[] shape) in tensors)
            {
                byte[] bytes = new byte[shape.Aggregate(2L, (product, extent) => product * extent)];
                Array.Fill(bytes, (byte)(0x3c + rank));
                file.Tensor(name, file.Storage(bytes), shape, shape.Length == 1 ? [1] : [shape[1], 1]);
            }
            folder.Write($"consolidated.{rank:D2}.pth", file.ToArray());
        }
        return folder.Path;
    }

    [Fact(SkipUnless = nameof(HasMaps), Skip = "Only Linux tells how much of a mapped file is in memory.")]
    public void PagesAreGivenBackAsTheyArePacked()
    {
        string folder = Directory.CreateTempSubdirectory("llama4-memory-").FullName;
        try
        {
            const string Config = """
                {"model_type":"llama4_text","hidden_size":512,"num_hidden_layers":4,"num_attention_heads":8,"num_key_value_heads":2,"head_dim":64,"intermediate_size":1024,
                 "intermediate_size_mlp":1024,"vocab_size":2048,"num_local_experts":16,"num_experts_per_tok":1,"bos_token_id":1,"eos_token_id":2}
                """;
            File.WriteAllText(Path.Combine(folder, "config.json"), Config);
            string path = Path.Combine(folder, "model.safetensors");
            byte[] piece = new byte[1 << 20];
            Array.Fill(piece, (byte)0x3c);
            SafeTensorsWriter.Write(path, ExpectedTensors.For(ModelConfig.Parse(Config, "config.json"), "").Select(tensor => new SafeTensorsEntry(tensor.Name, SafeTensorsType.BF16, tensor.Shape, stream => Fill(stream, tensor, piece))));
            long bytes = new FileInfo(path).Length;
            Assert.True(bytes > 200_000_000, $"{bytes}");
            var watch = new Watch(path, every: 8);
            using Llama4Model model = Llama4Model.Load(folder, new ModelOptions { Threads = 1 }, watch);
            // One expert's gate and up projection lie mapped while they are packed; the whole file would be a hundred times that.
            Assert.True(watch.Samples > 100);
            Assert.InRange(watch.Most, 1, 20_000_000);
            Assert.InRange(model.WeightBytes, bytes * 0.9, bytes * 1.1);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static void Fill(Stream stream, ExpectedTensor tensor, byte[] piece)
    {
        for (long left = tensor.Shape.Aggregate(2L, (product, extent) => product * extent); left > 0; left -= piece.Length)
        {
            stream.Write(piece.AsSpan(0, (int)Math.Min(left, piece.Length)));
        }
    }

    /// <summary>Looks after every so many packed matrices how much of the mapped files below a path is in this process's memory.</summary>
    private sealed class Watch(string path, int every) : IProgress<LoadProgress>
    {
        public long Most { get; private set; }

        /// <summary>What had been packed then.</summary>
        public string? After { get; private set; }

        public int Samples { get; private set; }

        public void Report(LoadProgress value)
        {
            Samples++;
            if (Samples % every != 0)
            {
                return;
            }
            bool own = false;
            long sum = 0;
            foreach (string line in File.ReadLines("/proc/self/smaps"))
            {
                if (!line.Contains("kB", StringComparison.Ordinal) && line.Contains('-', StringComparison.Ordinal))
                {
                    own = line.Contains(path, StringComparison.Ordinal);
                }
                else if (own && line.StartsWith("Rss:", StringComparison.Ordinal))
                {
                    sum += 1024 * long.Parse(line["Rss:".Length..^"kB".Length], CultureInfo.InvariantCulture);
                }
            }
            (Most, After) = sum > Most ? (sum, value.Current) : (Most, After);
        }
    }
}
