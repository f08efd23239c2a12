using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using System.Text.Json;
using Llama4Kernels.Engine.Checkpoints.SafeTensors;
using Llama4Kernels.Engine.Checkpoints.Saved;
using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Engine.Checkpoints;

/// <summary>
/// The tensors of a model's folder: one <c>model.safetensors</c>, or else the shards of a
/// <c>model.safetensors.index.json</c>. Every shard is validated and agrees with the index.
/// </summary>
internal sealed class ShardedCheckpoint : ITensorSource
{
    private const string SingleName = "model.safetensors";
    private const string IndexName = "model.safetensors.index.json";
    private readonly List<SafeTensorsFile> _files = [];
    private readonly Dictionary<string, (SafeTensorsFile File, TensorInfo Tensor)> _byName = new(StringComparer.Ordinal);

    private readonly Dictionary<string, StoredTensor> _stored = new(StringComparer.Ordinal);
    private readonly List<StoredTensor> _ordered = [];

    private ShardedCheckpoint(string folder) => Folder = folder;

    /// <summary>The folder.</summary>
    public string Folder { get; }

    /// <summary>The files, in the order of their names.</summary>
    public IReadOnlyList<SafeTensorsFile> Files => _files;

    /// <summary>All tensors: file after file, in the order of their data.</summary>
    public IEnumerable<TensorInfo> Tensors => _files.SelectMany(file => file.Tensors);

    /// <summary>Bytes of tensor data in all files.</summary>
    public long TotalBytes => _files.Sum(file => file.DataBytes);

    /// <summary>Things that are suspicious but not wrong, in sentences for a person.</summary>
    public IReadOnlyList<string> Warnings { get; private set; } = [];

    string ITensorSource.Location => Folder;

    IReadOnlyList<StoredTensor> ITensorSource.Tensors => _ordered;

    /// <summary>Opens a model's folder.</summary>
    /// <param name="folder">The folder.</param>
    /// <exception cref="ModelFormatException">The files are missing, malformed, disagree with the index, or lie outside the folder.</exception>
    public static ShardedCheckpoint Open(string folder)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        if (!Directory.Exists(folder))
        {
            throw new ModelFormatException(folder, null, "there is no such folder.");
        }
        ShardedCheckpoint checkpoint = new(folder);
        try
        {
            string index = Path.Combine(folder, IndexName);
            bool indexed = Path.Exists(index);
            if (Path.Exists(Path.Combine(folder, SingleName)) && !(indexed && NeedsOthers(index)))
            {
                // As in the reference loader, the single file goes before an index, which conversions and merges leave behind.
                checkpoint.AddFile(SingleName, null, null);
                if (indexed)
                {
                    checkpoint.Warnings = [$"{IndexName} is not used: {SingleName} beside it holds the weights."];
                }
            }
            else if (indexed)
            {
                checkpoint.OpenShards(index);
            }
            else
            {
                throw new ModelFormatException(folder, null, $"holds neither {SingleName} nor {IndexName}. Checkpoints in .pth or .bin form must be converted to safetensors first.");
            }
            return checkpoint;
        }
        catch
        {
            checkpoint.Dispose();
            throw;
        }
    }

    /// <summary>The tensor of that name, or false.</summary>
    public bool TryGet(string name, [NotNullWhen(true)] out SafeTensorsFile? file, [NotNullWhen(true)] out TensorInfo? tensor)
    {
        bool found = _byName.TryGetValue(name, out (SafeTensorsFile File, TensorInfo Tensor) entry);
        (file, tensor) = entry;
        return found;
    }

    bool ITensorSource.TryGet(string name, [NotNullWhen(true)] out StoredTensor? tensor) => _stored.TryGetValue(name, out tensor);

    nint ITensorSource.Address(StoredTensor tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        return _stored.TryGetValue(tensor.Name, out StoredTensor? own) && ReferenceEquals(own, tensor) && _byName.TryGetValue(tensor.Name, out (SafeTensorsFile File, TensorInfo Tensor) entry)
            ? entry.File.Address(entry.Tensor)
            : throw new ArgumentException($"Tensor '{tensor.Name}' is not of '{Folder}'.", nameof(tensor));
    }

    SafeHandle ITensorSource.Memory(StoredTensor tensor) => _byName[tensor.Name].File.Memory;

    void ITensorSource.GiveBack(nint address, long bytes) => _files.ForEach(file => file.GiveBack(address, bytes));

    /// <summary>Unmaps all files.</summary>
    public void Dispose() => _files.ForEach(file => file.Dispose());

    // An index that makes the single file one shard among others that are there too is no left-over.
    private static bool NeedsOthers(string indexPath)
    {
        string[] shards;
        try
        {
            shards = [.. ReadIndex(indexPath).Values.Distinct(StringComparer.Ordinal)];
        }
        catch (ModelFormatException)
        {
            // A broken index beside a whole file is a left-over.
            return false;
        }
        string folder = Path.GetDirectoryName(indexPath)!;
        return shards.Length > 1 && shards.Contains(SingleName) && Array.TrueForAll(shards, shard => Path.Exists(Path.Combine(folder, shard)));
    }

    private void OpenShards(string indexPath)
    {
        Dictionary<string, string> shardOf = ReadIndex(indexPath);
        foreach (string shard in shardOf.Values.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal))
        {
            AddFile(shard, shardOf, indexPath);
        }
        foreach ((string name, string shard) in shardOf)
        {
            if (!_byName.ContainsKey(name))
            {
                throw new ModelFormatException(indexPath, $"weight_map.{name}", $"'{shard}' has no such tensor.");
            }
        }
    }

    private static Dictionary<string, string> ReadIndex(string indexPath)
    {
        using JsonDocument index = ModelFiles.ReadJson(indexPath);
        if (!index.RootElement.TryGetProperty("weight_map", out JsonElement map) || map.ValueKind != JsonValueKind.Object)
        {
            throw new ModelFormatException(indexPath, "weight_map", "is missing or not an object.");
        }
        Dictionary<string, string> shardOf = new(StringComparer.Ordinal);
        foreach (JsonProperty entry in map.EnumerateObject())
        {
            if (entry.Value.ValueKind != JsonValueKind.String)
            {
                throw new ModelFormatException(indexPath, $"weight_map.{entry.Name}", "must be a file name.");
            }
            string shard = entry.Value.GetString()!;
            CheckFileName(indexPath, entry.Name, shard);
            shardOf.Add(entry.Name, shard);
        }
        if (shardOf.Count == 0)
        {
            throw new ModelFormatException(indexPath, "weight_map", "is empty.");
        }
        return shardOf;
    }

    private void AddFile(string name, Dictionary<string, string>? shardOf, string? indexPath)
    {
        FolderLinks.Check(Folder, name);
        SafeTensorsFile file = SafeTensorsFile.Open(Path.Combine(Folder, name));
        _files.Add(file);
        IReadOnlyDictionary<string, PackedShape> packed = SavedHeader.Read(file);
        foreach (TensorInfo tensor in file.Tensors)
        {
            if (shardOf is not null)
            {
                CheckListed(tensor, name, shardOf, indexPath!);
            }
            _byName.Add(tensor.Name, (file, tensor));
            var stored = new StoredTensor(tensor.Name, tensor.DType.Stored(), tensor.Shape, file.Path, file.DataStart + tensor.Begin, tensor.Bytes);
            stored = packed.TryGetValue(tensor.Name, out PackedShape? shape) ? SavedHeader.Describe(stored, shape) : stored;
            _stored.Add(tensor.Name, stored);
            _ordered.Add(stored);
        }
    }

    private static void CheckListed(TensorInfo tensor, string shard, Dictionary<string, string> shardOf, string indexPath)
    {
        if (!shardOf.TryGetValue(tensor.Name, out string? listed))
        {
            throw new ModelFormatException(indexPath, tensor.Name, $"'{shard}' has this tensor, but weight_map does not list it.");
        }
        if (listed != shard)
        {
            throw new ModelFormatException(indexPath, tensor.Name, $"'{shard}' has this tensor, but weight_map places it in '{listed}': it is in two shards or in the wrong one.");
        }
    }

    // A shard is a plain file name in the model's own folder, on every operating system's terms.
    private static void CheckFileName(string indexPath, string tensor, string name)
    {
        bool plain = name.Length is > 0 and <= 255 && name is not ("." or "..") && name.AsSpan().IndexOfAny("/\\:\0") < 0;
        if (!plain)
        {
            throw new ModelFormatException(indexPath, $"weight_map.{tensor}", $"'{(name.Length <= 80 ? name : name[..80] + "…")}' is not a plain file name.");
        }
    }
}
