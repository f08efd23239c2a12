using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;

namespace Llama4Kernels.Tests.Engine.Checkpoints.Meta;

/// <summary>Writes archives as torch.save does, also ones that it would not write.</summary>
internal sealed class PthWriter
{
    private readonly List<(string Key, string Type, int ElementBytes, byte[] Bytes, long? Elements)> _storages = [];
    private readonly MemoryStream _pickle = new();

    public PthWriter() => _pickle.Write([0x80, 2, (byte)'}']);

    public string Prefix { get; init; } = "archive/";

    public CompressionLevel Compression { get; init; } = CompressionLevel.NoCompression;

    /// <summary>Adds a storage; gives its number.</summary>
    public int Storage(byte[] bytes, string type = "BFloat16Storage", int elementBytes = 2, long? elements = null)
    {
        _storages.Add((_storages.Count.ToString(System.Globalization.CultureInfo.InvariantCulture), type, elementBytes, bytes, elements));
        return _storages.Count - 1;
    }

    /// <summary>Adds a tensor over a storage.</summary>
    public PthWriter Tensor(string name, int storage, long[] size, long[] strides, long offset = 0)
    {
        (string key, string type, int elementBytes, byte[] bytes, long? elements) = _storages[storage];
        Text(name);
        Global("torch._utils", "_rebuild_tensor_v2");
        _pickle.WriteByte((byte)'(');
        _pickle.WriteByte((byte)'(');
        Text("storage");
        Global("torch", type);
        Text(key);
        Text("cpu");
        Number(elements ?? bytes.Length / elementBytes);
        _pickle.Write("tQ"u8);
        Number(offset);
        Numbers(size);
        Numbers(strides);
        _pickle.WriteByte(0x89);
        Global("collections", "OrderedDict");
        _pickle.Write(")Rt"u8);
        _pickle.Write("Rs"u8);
        return this;
    }

    /// <summary>Adds instructions as they are.</summary>
    public PthWriter Raw(params byte[] instructions)
    {
        _pickle.Write(instructions);
        return this;
    }

    public PthWriter Raw(string instructions) => Raw(Encoding.Latin1.GetBytes(instructions));

    public byte[] Pickle() => [.. _pickle.ToArray(), (byte)'.'];

    public byte[] ToArray()
    {
        using var stream = new MemoryStream();
        using (var archive = new ZipArchive(stream, ZipArchiveMode.Create, leaveOpen: true))
        {
            Entry(archive, "data.pkl", Pickle());
            foreach ((string key, _, _, byte[] bytes, _) in _storages)
            {
                Entry(archive, "data/" + key, bytes);
            }
        }
        return stream.ToArray();
    }

    private void Entry(ZipArchive archive, string name, byte[] bytes)
    {
        using Stream entry = archive.CreateEntry(Prefix + name, Compression).Open();
        entry.Write(bytes);
    }

    private void Global(string module, string name) => _pickle.Write(Encoding.ASCII.GetBytes($"c{module}\n{name}\n"));

    private void Text(string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        _pickle.WriteByte((byte)'X');
        Span<byte> length = stackalloc byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(length, bytes.Length);
        _pickle.Write(length);
        _pickle.Write(bytes);
    }

    private void Number(long value)
    {
        _pickle.Write([0x8a, 8]);
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, value);
        _pickle.Write(bytes);
    }

    private void Numbers(long[] values)
    {
        _pickle.WriteByte((byte)'(');
        Array.ForEach(values, Number);
        _pickle.WriteByte((byte)'t');
    }
}
