using System.Text.Json;
using System.Text.Json.Nodes;
using Llama4Kernels.Engine.Checkpoints.SafeTensors;
using Llama4Kernels.Engine.Checkpoints.Weights;

namespace Llama4Kernels.Engine.Checkpoints.Conversion;

/// <summary>
/// Writes any checkpoint that the engine reads as a folder in the published layout: safetensors in bfloat16, configuration,
/// tokenizer. Weights that are bfloat16 keep their bits; others are rounded to nearest even. Memory stays at one expert's size.
/// </summary>
internal static class CheckpointConverter
{
    /// <summary>Bytes of a file of weights, about; a single tensor may be larger.</summary>
    public const long ShardBytes = 5_000_000_000;

    /// <summary>Converts.</summary>
    /// <param name="source">The checkpoint.</param>
    /// <param name="folder">The new folder; it appears under its name only once it is complete.</param>
    /// <param name="shardBytes">Bytes of a file of weights, about.</param>
    /// <param name="progress">Told after each tensor.</param>
    /// <param name="cancellation">Stops the writing; what was written is deleted.</param>
    /// <exception cref="IOException">The folder exists and is not empty, the disk is full, or a file cannot be written.</exception>
    /// <exception cref="ModelFormatException">The published layout cannot express the model, or a file was truncated.</exception>
    public static void Convert(
        Checkpoint source, string folder, long shardBytes = ShardBytes, IProgress<LoadProgress>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentException.ThrowIfNullOrEmpty(folder);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(shardBytes);
        if (source.Config.Text.RopeDivisors is not null)
        {
            throw new ModelFormatException(source.Location, "rope_freqs.weight", "divides the rotary frequencies by no rule that the published configuration has; the model runs, but cannot be converted.");
        }
        string target = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
        if (File.Exists(target) || (Directory.Exists(target) && Directory.EnumerateFileSystemEntries(target).Any()))
        {
            throw new IOException($"'{folder}' exists and is not empty; nothing is overwritten. Give another folder.");
        }
        PublishedTensor[] tensors = [.. PublishedTensor.Of(source)];
        string partial = $"{target}.partial-{Guid.NewGuid():N}";
        Directory.CreateDirectory(partial);
        try
        {
            CheckSpace(partial, folder, tensors.Sum(tensor => tensor.Bytes));
            WriteWeights(source, tensors, partial, shardBytes, progress, cancellation);
            CompanionFiles.Write(source, partial);
            if (Directory.Exists(target))
            {
                Directory.Delete(target);
            }
            Directory.Move(partial, target);
        }
        catch
        {
            Directory.Delete(partial, recursive: true);
            throw;
        }
    }

    private static void CheckSpace(string partial, string folder, long bytes)
    {
        long free = new DriveInfo(partial).AvailableFreeSpace;
        if (free < bytes)
        {
            throw new IOException($"'{folder}' needs {bytes} bytes, the disk has {free} left.");
        }
    }

    private static void WriteWeights(Checkpoint source, PublishedTensor[] tensors, string folder, long shardBytes, IProgress<LoadProgress>? progress, CancellationToken cancellation)
    {
        List<List<PublishedTensor>> shards = [[]];
        long size = 0;
        foreach (PublishedTensor tensor in tensors)
        {
            if (size > 0 && size + tensor.Bytes > shardBytes)
            {
                shards.Add([]);
                size = 0;
            }
            shards[^1].Add(tensor);
            size += tensor.Bytes;
        }
        long total = tensors.Sum(tensor => tensor.Bytes), done = 0;
        var map = new SortedDictionary<string, string>(StringComparer.Ordinal);
        for (int i = 0; i < shards.Count; i++)
        {
            string name = shards.Count == 1 ? "model.safetensors" : $"model-{i + 1:D5}-of-{shards.Count:D5}.safetensors";
            SafeTensorsWriter.Write(Path.Combine(folder, name), shards[i].Select(tensor => new SafeTensorsEntry(tensor.Name, SafeTensorsType.BF16, tensor.Shape, stream =>
            {
                tensor.Write(source.Weights, stream, cancellation);
                done += tensor.Bytes;
                progress?.Report(new LoadProgress(done, total, tensor.Name));
            })), new Dictionary<string, string> { ["format"] = "pt" });
            shards[i].ForEach(tensor => map.Add(tensor.Name, name));
        }
        if (shards.Count > 1)
        {
            var index = new JsonObject
            {
                ["metadata"] = new JsonObject { ["total_size"] = total },
                ["weight_map"] = new JsonObject(map.Select(entry => KeyValuePair.Create(entry.Key, (JsonNode?)entry.Value))),
            };
            CompanionFiles.WriteJson(Path.Combine(folder, "model.safetensors.index.json"), index);
        }
    }
}
