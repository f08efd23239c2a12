using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Engine.Scheduling;

/// <summary>Embeddings [n, D] that stand at n positions from one on, in the place of patch tokens.</summary>
internal readonly record struct PictureRows(int Position, Tensor Values);

/// <summary>
/// The embeddings of a sequence's pictures, where the model is. They stay until the sequence ends: a
/// sequence that loses its blocks is computed again from them. Everything is done with the model's gate held.
/// </summary>
internal sealed class EmbeddedPictures : IDisposable
{
    private readonly Dictionary<string, DeviceMemory> _memory = new(StringComparer.Ordinal);
    private readonly List<PictureRows> _rows = [];

    /// <summary>Which embeddings stand where.</summary>
    public IReadOnlyList<PictureRows> Rows => _rows;

    /// <summary>The embeddings of a content: made once, however often it stands in the sequence.</summary>
    public DeviceMemory GetOrAdd(string content, Func<DeviceMemory> encode)
    {
        if (!_memory.TryGetValue(content, out DeviceMemory? memory))
        {
            memory = encode();
            _memory.Add(content, memory);
        }
        return memory;
    }

    /// <summary>Puts embeddings of one of the contents in their place.</summary>
    public void Add(PictureRows rows) => _rows.Add(rows);

    /// <summary>Frees them.</summary>
    public void Dispose()
    {
        foreach (DeviceMemory memory in _memory.Values)
        {
            memory.Dispose();
        }
        _memory.Clear();
        _rows.Clear();
    }
}
