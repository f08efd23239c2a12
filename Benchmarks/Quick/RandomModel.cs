using System.Runtime.InteropServices;
using Llama4Kernels.Engine.Checkpoints;
using Llama4Kernels.Engine.Checkpoints.SafeTensors;
using Llama4Kernels.Engine.Config;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Benchmarks.Quick;

/// <summary>A checkpoint of given sizes with random bfloat16 weights in a temporary folder, deleted when disposed.</summary>
internal sealed class RandomModel : IDisposable
{
    public RandomModel(string config)
    {
        Folder = Directory.CreateTempSubdirectory("llama4-benchmark").FullName;
        File.WriteAllText(Path.Combine(Folder, "config.json"), config);
        ModelConfig parsed = ModelConfig.Load(Folder);
        var random = new Random(1);
        ushort[] noise = new ushort[1 << 20];
        for (int i = 0; i < noise.Length; i++)
        {
            noise[i] = Bf16.FromSingle((random.NextSingle() - 0.5f) * 0.05f);
        }
        SafeTensorsWriter.Write(
            Path.Combine(Folder, "model.safetensors"),
            ExpectedTensors.For(parsed, "").Select(t => new SafeTensorsEntry(t.Name, SafeTensorsType.BF16, t.Shape, stream => Fill(stream, t.Shape, noise))));
    }

    public string Folder { get; }

    public void Dispose() => Directory.Delete(Folder, recursive: true);

    private static void Fill(Stream stream, IReadOnlyList<long> shape, ushort[] noise)
    {
        long left = shape.Aggregate(1L, (product, size) => product * size);
        while (left > 0)
        {
            int count = (int)Math.Min(left, noise.Length);
            stream.Write(MemoryMarshal.AsBytes<ushort>(noise.AsSpan(0, count)));
            left -= count;
        }
    }
}
