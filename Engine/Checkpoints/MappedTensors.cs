using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using Llama4Kernels.Interop.Memory;

namespace Llama4Kernels.Engine.Checkpoints;

/// <summary>A source over mapped files; the readers of the formats fill it.</summary>
internal sealed unsafe class MappedTensors : ITensorSource
{
    private readonly Dictionary<string, MappedFile> _files = new(StringComparer.Ordinal);
    private readonly List<StoredTensor> _tensors = [];
    private readonly Dictionary<string, StoredTensor> _byName = new(StringComparer.Ordinal);
    private readonly List<string> _warnings = [];

    internal MappedTensors(string location) => Location = location;

    /// <inheritdoc/>
    public string Location { get; }

    /// <inheritdoc/>
    public IReadOnlyList<StoredTensor> Tensors => _tensors;

    /// <inheritdoc/>
    public IReadOnlyList<string> Warnings => _warnings;

    /// <inheritdoc/>
    public bool TryGet(string name, [NotNullWhen(true)] out StoredTensor? tensor) => _byName.TryGetValue(name, out tensor);

    /// <inheritdoc/>
    public nint Address(StoredTensor tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        if (!TryGet(tensor.Name, out StoredTensor? own) || !ReferenceEquals(own, tensor))
        {
            throw new ArgumentException($"Tensor '{tensor.Name}' is not of '{Location}'.", nameof(tensor));
        }
        MappedFile file = _files[tensor.File];
        try
        {
            file.ThrowIfTruncated();
        }
        catch (IOException e)
        {
            throw new ModelFormatException(tensor.File, tensor.Name, e.Message, e);
        }
        return (nint)(file.Pointer + tensor.Offset);
    }

    /// <inheritdoc/>
    public SafeHandle Memory(StoredTensor tensor) => _files[tensor.File].Memory;

    /// <inheritdoc/>
    public void GiveBack(nint address, long bytes)
    {
        foreach (MappedFile file in _files.Values)
        {
            long offset = (byte*)address - file.Pointer;
            if (offset >= 0 && offset < file.Length)
            {
                file.GiveBack(offset, Math.Min(bytes, file.Length - offset));
            }
        }
    }

    /// <summary>Lets the operating system take back every page that was looked at so far.</summary>
    public void GiveBackAll()
    {
        foreach (MappedFile file in _files.Values)
        {
            file.GiveBack(0, file.Length);
        }
    }

    /// <summary>Unmaps all files; every address given out becomes invalid.</summary>
    public void Dispose()
    {
        foreach (MappedFile file in _files.Values)
        {
            file.Dispose();
        }
    }

    /// <summary>Maps a file, which this source then owns.</summary>
    /// <exception cref="ModelFormatException">It cannot be mapped, or is a file of the source already.</exception>
    internal MappedFile Map(string path)
    {
        if (_files.ContainsKey(path))
        {
            throw new ModelFormatException(path, null, "is named twice.");
        }
        MappedFile file = ModelFiles.Map(path);
        _files.Add(path, file);
        return file;
    }

    /// <summary>Adds a tensor of a mapped file.</summary>
    /// <exception cref="ModelFormatException">There is one of that name.</exception>
    internal void Add(StoredTensor tensor)
    {
        if (!_byName.TryAdd(tensor.Name, tensor))
        {
            throw new ModelFormatException(tensor.File, tensor.Name, $"is in '{Path.GetFileName(_byName[tensor.Name].File)}' already.");
        }
        _tensors.Add(tensor);
    }

    internal void Warn(string warning) => _warnings.Add(warning);
}
