using System.Buffers.Binary;
using System.Text;

namespace Llama4Kernels.Tests.Engine.Checkpoints.Gguf;

/// <summary>Writes GGUF files, sound ones and, since it checks nothing, broken ones.</summary>
internal sealed class GgufWriter
{
    private readonly MemoryStream _keys = new();
    private readonly List<(string Name, ulong[] Extents, uint Type, Func<byte[]> Data, ulong? Offset)> _tensors = [];

    public uint Version { get; init; } = 3;

    public int Alignment { get; init; } = 32;

    public ulong Keys { get; set; }

    public ulong? TensorCount { get; set; }

    /// <summary>A key that is not written.</summary>
    public string? LeftOut { get; set; }

    public GgufWriter Text(string key, string value) => Key(key, 8, s => String(s, value));

    public GgufWriter UInt(string key, uint value) => Key(key, 4, s => U32(s, value));

    public GgufWriter UShort(string key, ushort value) => Key(key, 2, s => s.Write(BitConverter.GetBytes(value)));

    public GgufWriter Int(string key, int value) => Key(key, 5, s => U32(s, (uint)value));

    public GgufWriter Float(string key, float value) => Key(key, 6, s => U32(s, BitConverter.SingleToUInt32Bits(value)));

    public GgufWriter Bool(string key, bool value) => Key(key, 7, s => s.WriteByte(value ? (byte)1 : (byte)0));

    public GgufWriter Texts(string key, IReadOnlyCollection<string> values) => Array(key, 8, values, String);

    public GgufWriter Ints(string key, IReadOnlyCollection<int> values) => Array(key, 5, values, (s, v) => U32(s, (uint)v));

    public GgufWriter Floats(string key, IReadOnlyCollection<float> values) => Array(key, 6, values, (s, v) => U32(s, BitConverter.SingleToUInt32Bits(v)));

    /// <summary>A value of any type as raw bytes.</summary>
    public GgufWriter Raw(string key, uint type, params byte[] value) => Key(key, type, s => s.Write(value));

    /// <summary>A tensor; extents with the contiguous one first.</summary>
    public GgufWriter Tensor(string name, uint type, ulong[] extents, Func<byte[]> data, ulong? offset = null)
    {
        _tensors.Add((name, extents, type, data, offset));
        return this;
    }

    public GgufWriter Tensor(string name, uint type, ulong[] extents, byte[] data, ulong? offset = null) => Tensor(name, type, extents, () => data, offset);

    /// <summary>Describes a tensor that was added otherwise.</summary>
    public GgufWriter Instead(string name, uint? type = null, ulong[]? extents = null, byte[]? data = null, ulong? offset = null)
    {
        int at = _tensors.FindIndex(tensor => tensor.Name == name);
        (string own, ulong[] ownExtents, uint ownType, Func<byte[]> ownData, ulong? ownOffset) = _tensors[at];
        _tensors[at] = (own, extents ?? ownExtents, type ?? ownType, data is null ? ownData : () => data, offset ?? ownOffset);
        return this;
    }

    /// <summary>Takes a tensor out again.</summary>
    public GgufWriter Without(string name)
    {
        Assert.Equal(1, _tensors.RemoveAll(tensor => tensor.Name == name));
        return this;
    }

    public byte[] ToArray()
    {
        using var stream = new MemoryStream();
        Write(stream);
        return stream.ToArray();
    }

    public void Write(string path)
    {
        using var file = new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.None, 1 << 20);
        Write(file);
    }

    private void Write(Stream stream)
    {
        byte[][] data = [.. _tensors.Select(tensor => tensor.Data())];
        using var head = new MemoryStream();
        head.Write("GGUF"u8);
        U32(head, Version);
        U64(head, TensorCount ?? (ulong)_tensors.Count);
        U64(head, Keys);
        _keys.WriteTo(head);
        ulong next = 0;
        for (int i = 0; i < data.Length; i++)
        {
            String(head, _tensors[i].Name);
            U32(head, (uint)_tensors[i].Extents.Length);
            foreach (ulong extent in _tensors[i].Extents)
            {
                U64(head, extent);
            }
            U32(head, _tensors[i].Type);
            U64(head, _tensors[i].Offset ?? next);
            next += (ulong)((data[i].Length + Alignment - 1) / Alignment * Alignment);
        }
        Pad(head, (int)head.Length);
        head.WriteTo(stream);
        foreach (byte[] bytes in data)
        {
            stream.Write(bytes);
            Pad(stream, bytes.Length);
        }
    }

    public static void String(Stream stream, string value)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(value);
        U64(stream, (ulong)bytes.Length);
        stream.Write(bytes);
    }

    private GgufWriter Array<T>(string key, uint element, IReadOnlyCollection<T> values, Action<Stream, T> write) => Key(key, 9, s =>
    {
        U32(s, element);
        U64(s, (ulong)values.Count);
        foreach (T value in values)
        {
            write(s, value);
        }
    });

    private GgufWriter Key(string key, uint type, Action<Stream> value)
    {
        if (key == LeftOut)
        {
            return this;
        }
        String(_keys, key);
        U32(_keys, type);
        value(_keys);
        Keys++;
        return this;
    }

    private void Pad(Stream stream, int length)
    {
        for (int i = length; i % Alignment != 0; i++)
        {
            stream.WriteByte(0);
        }
    }

    private static void U32(Stream stream, uint value)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        stream.Write(bytes);
    }

    private static void U64(Stream stream, ulong value)
    {
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        stream.Write(bytes);
    }
}
