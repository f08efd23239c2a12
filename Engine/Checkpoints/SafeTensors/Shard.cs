using System.Text.Json.Nodes;
using Llama4Kernels.Engine.Checkpoints.Conversion;

namespace Llama4Kernels.Engine.Checkpoints.SafeTensors;

/// <summary>A file of weights that is to be written.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Tensors">What it holds.</param>
internal sealed record Shard(string Name, IReadOnlyList<SafeTensorsEntry> Tensors)
{
    /// <summary>Distributes tensors, in their order, over files of about so many bytes; a single tensor may be larger.</summary>
    public static IReadOnlyList<Shard> Of(IEnumerable<SafeTensorsEntry> tensors, long shardBytes)
    {
        List<List<SafeTensorsEntry>> shards = [[]];
        long size = 0;
        foreach (SafeTensorsEntry tensor in tensors)
        {
            long bytes = tensor.Bytes;
            if (size > 0 && size + bytes > shardBytes)
            {
                shards.Add([]);
                size = 0;
            }
            shards[^1].Add(tensor);
            size += bytes;
        }
        return [.. shards.Select((shard, i) => new Shard(shards.Count == 1 ? "model.safetensors" : $"model-{i + 1:D5}-of-{shards.Count:D5}.safetensors", shard))];
    }

    /// <summary>Writes the index of several files; a single one needs none.</summary>
    public static void WriteIndex(string folder, IReadOnlyList<Shard> shards)
    {
        if (shards.Count == 1)
        {
            return;
        }
        var map = new SortedDictionary<string, string>(shards.SelectMany(shard => shard.Tensors.Select(tensor => (tensor.Name, File: shard.Name))).ToDictionary(entry => entry.Name, entry => entry.File), StringComparer.Ordinal);
        CompanionFiles.WriteJson(Path.Combine(folder, "model.safetensors.index.json"), new JsonObject
        {
            ["metadata"] = new JsonObject { ["total_size"] = shards.Sum(shard => shard.Tensors.Sum(tensor => tensor.Bytes)) },
            ["weight_map"] = new JsonObject(map.Select(entry => KeyValuePair.Create(entry.Key, (JsonNode?)entry.Value))),
        });
    }
}
