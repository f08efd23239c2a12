using Llama4Kernels.Engine.Checkpoints.SafeTensors;

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
        OutputFolder.CheckExpressible(source);
        string target = OutputFolder.CheckFree(folder);
        PublishedTensor[] tensors = [.. PublishedTensor.Of(source)];
        string partial = $"{target}.partial-{Guid.NewGuid():N}";
        Directory.CreateDirectory(partial);
        try
        {
            OutputFolder.CheckSpace(partial, folder, tensors.Sum(tensor => tensor.Bytes));
            WriteWeights(source, tensors, partial, shardBytes, progress, cancellation);
            CompanionFiles.Write(source, partial);
            OutputFolder.Finish(partial, target);
        }
        catch
        {
            Directory.Delete(partial, recursive: true);
            throw;
        }
    }

    private static void WriteWeights(Checkpoint source, PublishedTensor[] tensors, string folder, long shardBytes, IProgress<LoadProgress>? progress, CancellationToken cancellation)
    {
        long total = tensors.Sum(tensor => tensor.Bytes), done = 0;
        IReadOnlyList<Shard> shards = Shard.Of(tensors.Select(tensor => new SafeTensorsEntry(tensor.Name, SafeTensorsType.BF16, tensor.Shape, stream =>
        {
            tensor.Write(source.Weights, stream, cancellation);
            done += tensor.Bytes;
            progress?.Report(new LoadProgress(done, total, tensor.Name));
        })), shardBytes);
        foreach (Shard shard in shards)
        {
            SafeTensorsWriter.Write(Path.Combine(folder, shard.Name), shard.Tensors, new Dictionary<string, string> { ["format"] = "pt" });
        }
        Shard.WriteIndex(folder, shards);
    }
}
