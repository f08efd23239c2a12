using System.Globalization;
using Llama4Kernels.Engine.Checkpoints;
using Llama4Kernels.Engine.Checkpoints.SafeTensors;
using Llama4Kernels.Engine.Config;
using Llama4Kernels.Engine.Model;

namespace Llama4Kernels.Tests.Engine.Model;

/// <summary>While a model loads, its file's pages do not pile up beside the packed weights.</summary>
public sealed class LoadMemoryTests
{
    [Fact]
    public void PagesAreGivenBackAsTheyArePacked()
    {
        if (!File.Exists("/proc/self/smaps"))
        {
            Assert.Skip("Only Linux tells how much of a mapped file is in memory.");
        }
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
            var watch = new Watch(path);
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

    /// <summary>Looks after each packed matrix how much of the mapped file is in this process's memory.</summary>
    private sealed class Watch(string path) : IProgress<LoadProgress>
    {
        public long Most { get; private set; }

        public int Samples { get; private set; }

        public void Report(LoadProgress value)
        {
            Samples++;
            if (Samples % 8 != 0)
            {
                return;
            }
            bool own = false;
            foreach (string line in File.ReadLines("/proc/self/smaps"))
            {
                if (!line.Contains("kB", StringComparison.Ordinal) && line.Contains('-', StringComparison.Ordinal))
                {
                    own = line.EndsWith(path, StringComparison.Ordinal);
                }
                else if (own && line.StartsWith("Rss:", StringComparison.Ordinal))
                {
                    Most = Math.Max(Most, 1024 * long.Parse(line["Rss:".Length..^"kB".Length], CultureInfo.InvariantCulture));
                }
            }
        }
    }
}
