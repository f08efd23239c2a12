using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Llama4Kernels.Engine.Checkpoints;
using Llama4Kernels.Engine.Checkpoints.Conversion;
using Llama4Kernels.Engine.Checkpoints.SafeTensors;
using Llama4Kernels.Engine.Checkpoints.Saved;
using Llama4Kernels.Engine.Checkpoints.Weights;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Engine.Model;

/// <summary>
/// Saves a checkpoint as this machine's products read it, with weights in the formats that <see cref="ModelOptions"/> name: a folder
/// that loads by mapping, and gives the logits that the checkpoint gives when it is loaded with those options.
/// </summary>
internal static class ModelQuantiser
{
    /// <summary>What a folder that is not complete yet is called: the folder's name and this. A later run with the same arguments goes on there.</summary>
    public const string PartialSuffix = ".partial";

    /// <summary>Quantises, packs and saves.</summary>
    /// <param name="source">The checkpoint, whose weights are plain numbers or FP8.</param>
    /// <param name="folder">The new folder; it appears under its name only once it is complete.</param>
    /// <param name="options">Formats, threads, and the activations that products shall round to, which decide the layouts; null for those of an engine.</param>
    /// <param name="progress">Told after each tensor.</param>
    /// <param name="cancellation">Stops the writing; a later run goes on.</param>
    /// <exception cref="IOException">The folder exists and is not empty, the disk is full, or a file cannot be written.</exception>
    /// <exception cref="ModelFormatException">Weights are stored quantised already, or cannot have their format, or a file was truncated.</exception>
    public static void Save(Checkpoint source, string folder, ModelOptions? options = null, IProgress<LoadProgress>? progress = null, CancellationToken cancellation = default) =>
        Save(source, folder, options ?? new ModelOptions(), CheckpointConverter.ShardBytes, null, progress, cancellation);

    /// <inheritdoc cref="Save(Checkpoint, string, ModelOptions?, IProgress{LoadProgress}?, CancellationToken)"/>
    /// <param name="source"/>
    /// <param name="folder"/>
    /// <param name="options"/>
    /// <param name="shardBytes">Bytes of a file of weights, about.</param>
    /// <param name="syncBytes">Bytes that an end of the process may cost, about; null for the usual.</param>
    /// <param name="progress"/>
    /// <param name="cancellation"/>
    internal static void Save(Checkpoint source, string folder, ModelOptions options, long shardBytes, long? syncBytes, IProgress<LoadProgress>? progress, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentException.ThrowIfNullOrEmpty(folder);
        OutputFolder.CheckExpressible(source);
        if (source.IsSaved)
        {
            throw new ModelFormatException(source.Location, null, "was saved packed already; quantise the original checkpoint.");
        }
        string target = OutputFolder.CheckFree(folder), partial = target + PartialSuffix;
        using var packing = new HostPacking(options.Activations ?? ActivationPrecision.Int8, options.Threads);
        Dictionary<string, PackedShape> packed = [];
        SafeTensorsEntry[] tensors = [.. Matrices(source, options, packing, packed, cancellation), .. Plain(source, cancellation)];
        IReadOnlyList<Shard> shards = [.. Shard.Of(tensors, shardBytes).Select(shard => shard with { Tensors = [.. shard.Tensors.OrderBy(tensor => packed.ContainsKey(tensor.Name) ? 0 : 1).ThenByDescending(tensor => tensor.DType.Bits())] })];
        byte[][] headers = [.. shards.Select(shard => SafeTensorsWriter.BuildHeader(shard.Tensors, Metadata(shard, packed), PackedShape.Alignment))];
        using (var files = new ResumableShards(partial, PlanOf(source, headers)) { SyncBytes = syncBytes ?? 256L << 20 })
        {
            long total = tensors.Sum(tensor => tensor.Bytes), done = 0;
            OutputFolder.CheckSpace(partial, folder, total - Directory.EnumerateFiles(partial).Sum(file => new FileInfo(file).Length));
            for (int i = 0; i < shards.Count; i++)
            {
                files.Write(shards[i], headers[i], tensor => progress?.Report(new LoadProgress(done += tensor.Bytes, total, tensor.Name)));
            }
            Shard.WriteIndex(partial, shards);
            CompanionFiles.Write(source, partial, WithOwnHead);
            Manifest.Write(partial, files.Complete, ResumableShards.JournalName);
        }
        OutputFolder.Finish(partial, target);
        File.Delete(Path.Combine(target, ResumableShards.JournalName));
    }

    private static IEnumerable<SafeTensorsEntry> Matrices(Checkpoint source, ModelOptions options, HostPacking packing, Dictionary<string, PackedShape> packed, CancellationToken cancellation)
    {
        var naming = new SavedNaming(source.Config, PrefixOf(source));
        var matrices = new ModelMatrices(source.Config, source.Weights, options);
        foreach (Weight first in matrices.Firsts)
        {
            ModelMatrix matrix = matrices.Of(first);
            PackedShape shape = ShapeOf(source, packing, matrix);
            string name = naming.Locate(first).Parts[0].Tensor;
            packed.Add(name, shape);
            yield return new SafeTensorsEntry(name, SafeTensorsType.U8, [SavedMatrix.BytesOf(shape)], stream =>
                packing.Write(matrices.Of(first).ToPack().Sources, shape, stream, source.Weights.GiveBack, cancellation));
        }
    }

    private static PackedShape ShapeOf(Checkpoint source, HostPacking packing, ModelMatrix matrix)
    {
        if (SchemeFormats.AreKept(matrix.Sources))
        {
            throw new ModelFormatException(source.Location, matrix.Name, $"is stored quantised ({matrix.Sources[0].Format}) and stays as it is. Quantise the checkpoint that it was made from, or run it as it is.");
        }
        try
        {
            (MatrixSource[] sources, WeightFormat? format) = matrix.ToPack();
            return packing.ShapeOf(sources, format);
        }
        catch (Exception e) when (e is ArgumentException or NotSupportedException)
        {
            throw new ModelFormatException(source.Location, matrix.Name, e.Message, e);
        }
    }

    /// <summary>Vectors and tables, as they are stored.</summary>
    private static IEnumerable<SafeTensorsEntry> Plain(Checkpoint source, CancellationToken cancellation)
    {
        var naming = new SavedNaming(source.Config, PrefixOf(source));
        foreach (Weight weight in source.Weights.Weights.Where(weight => !WeightStacks.IsPacked(weight)))
        {
            WeightPart part = naming.Locate(weight).Parts[0];
            ElementType type = source.Weights.Open(weight).PlainType
                ?? throw new ModelFormatException(source.Location, part.Tensor, "is stored quantised and stays as it is. Quantise the checkpoint that it was made from.");
            yield return new SafeTensorsEntry(part.Tensor, SafeTensorsTypes.Of(type), part.Shape, stream =>
            {
                MatrixSource rows = source.Weights.Open(weight);
                byte[] row = new byte[checked(rows.Columns * type.Size())];
                for (int i = 0; i < rows.Rows; i++)
                {
                    cancellation.ThrowIfCancellationRequested();
                    rows.CopyRow(i, row);
                    stream.Write(row);
                }
                source.Weights.GiveBack(rows);
            });
        }
    }

    private static string PrefixOf(Checkpoint source) => source.Naming is HuggingFaceNaming own ? own.Prefix : HuggingFaceNaming.NestedPrefix;

    private static Dictionary<string, string> Metadata(Shard shard, Dictionary<string, PackedShape> packed)
    {
        (string key, string value) = SavedHeader.Write(shard.Tensors.Where(tensor => packed.ContainsKey(tensor.Name)).Select(tensor => KeyValuePair.Create(tensor.Name, packed[tensor.Name])));
        return new Dictionary<string, string> { ["format"] = "pt", [key] = value };
    }

    // The files that are read, by length and time, and all that is said of those that are written.
    private static string PlanOf(Checkpoint source, byte[][] headers)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (string file in source.Tensors.Select(tensor => tensor.File).Distinct().Order(StringComparer.Ordinal))
        {
            var info = new FileInfo(file);
            hash.AppendData(Encoding.UTF8.GetBytes($"{info.FullName}\n{info.Length}\n{info.LastWriteTimeUtc.Ticks}\n"));
        }
        Array.ForEach(headers, hash.AppendData);
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    // A head that was the embedding is packed beside it.
    private static void WithOwnHead(JsonObject config)
    {
        config["tie_word_embeddings"] = false;
        if (config["text_config"] is JsonObject text)
        {
            text["tie_word_embeddings"] = false;
        }
    }
}
