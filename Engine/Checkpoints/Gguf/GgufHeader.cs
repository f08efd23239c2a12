using System.Numerics;
using System.Text;
using Llama4Kernels.Interop.Memory;

namespace Llama4Kernels.Engine.Checkpoints.Gguf;

/// <summary>Reads and validates what a GGUF file has before its data: version, metadata, descriptions of tensors.</summary>
internal static unsafe class GgufHeader
{
    public const int MaxTensors = 1_000_000;
    public const int MaxKeys = 1_000_000;
    public const int MaxNameBytes = 512;
    public const int MaxDimensions = 4;
    public const int MaxAlignment = 1 << 20;
    private const string AlignmentKey = "general.alignment";
    private const int DefaultAlignment = 32;

    // Key, type and one byte; name, one dimension, type and offset.
    private const int LeastKeyBytes = 8 + 4 + 1;
    private const int LeastTensorBytes = 8 + 4 + 8 + 4 + 8;

    /// <summary>Reads a mapped file.</summary>
    /// <exception cref="ModelFormatException">Any rule of the format is broken.</exception>
    public static (GgufMetadata Metadata, IReadOnlyList<StoredTensor> Tensors) Read(MappedFile file)
    {
        var cursor = new GgufCursor(file, 0);
        CheckMagic(file, ref cursor);
        ulong tensors = Count(ref cursor, "tensor count", MaxTensors, LeastTensorBytes);
        ulong keys = Count(ref cursor, "metadata count", MaxKeys, LeastKeyBytes);
        Dictionary<string, GgufMetadata.Entry> entries = new(StringComparer.Ordinal);
        for (ulong i = 0; i < keys; i++)
        {
            string key = ReadName(ref cursor, $"metadata key {i}");
            if (!entries.TryAdd(key, ReadEntry(ref cursor, key)))
            {
                throw cursor.Fault(key, "is given twice.");
            }
        }
        GgufMetadata metadata = new(file, entries);
        return (metadata, ReadTensors(file, ref cursor, (int)tensors, Alignment(metadata, entries)));
    }

    private static void CheckMagic(MappedFile file, ref GgufCursor cursor)
    {
        if (file.Length < 4 || !new ReadOnlySpan<byte>(file.Pointer, 4).SequenceEqual("GGUF"u8))
        {
            throw new ModelFormatException(file.Path, null, $"is no GGUF file: {OtherContent.Name(ModelFiles.Start(file)) ?? "it does not begin with 'GGUF'"}.");
        }
        cursor.Skip(4, "magic");
        uint version = cursor.Read<uint>("version");
        if (version is 2 or 3)
        {
            return;
        }
        throw cursor.Fault("version", version is > 0 and <= 0xFFFF
            ? $"is {version}; 2 and 3 are supported.{(version == 1 ? " Convert the model anew." : "")}"
            : (version & 0xFFFF) == 0 && version != 0
                ? "has its bytes in big-endian order; only little-endian files are supported. Convert the model anew, or swap the file's bytes with llama.cpp's tools."
                : $"is {version}; 2 and 3 are supported.");
    }

    private static ulong Count(ref GgufCursor cursor, string field, int limit, int leastBytes)
    {
        ulong count = cursor.Read<ulong>(field);
        if (count > (ulong)limit)
        {
            throw cursor.Fault(field, $"is {count}; the limit is {limit}.");
        }
        return count <= (ulong)(cursor.Remaining / leastBytes)
            ? count
            : throw cursor.Fault(field, $"is {count}; the file of {cursor.Remaining + cursor.Position} bytes cannot hold so many.");
    }

    private static string ReadName(ref GgufCursor cursor, string field)
    {
        string name = cursor.ReadText(field);
        return name.Length > 0 && Encoding.UTF8.GetByteCount(name) <= MaxNameBytes && !name.Contains('\0')
            ? name
            : throw cursor.Fault(field, $"must be a name of 1 to {MaxNameBytes} bytes without NUL.");
    }

    private static GgufMetadata.Entry ReadEntry(ref GgufCursor cursor, string key)
    {
        GgufValueType type = cursor.ReadType(key);
        if (type != GgufValueType.Array)
        {
            long at = cursor.Position;
            SkipValue(ref cursor, type, key);
            return new GgufMetadata.Entry(type, at, type, 1);
        }
        GgufValueType element = cursor.ReadType(key);
        if (element == GgufValueType.Array)
        {
            throw cursor.Fault(key, "is an array of arrays, which no model has.");
        }
        ulong count = cursor.Read<ulong>(key);
        int size = GgufCursor.SizeOf(element);
        if (count > (ulong)(cursor.Remaining / (size == 0 ? sizeof(ulong) : size)) || count > int.MaxValue)
        {
            throw cursor.Fault(key, $"an array of {count} elements passes the end of the file.");
        }
        long start = cursor.Position;
        if (size > 0)
        {
            cursor.Skip(count * (ulong)size, key);
        }
        for (ulong i = 0; size == 0 && i < count; i++)
        {
            cursor.SkipText(key);
        }
        return new GgufMetadata.Entry(GgufValueType.Array, start, element, (long)count);
    }

    private static void SkipValue(ref GgufCursor cursor, GgufValueType type, string key)
    {
        if (type == GgufValueType.String)
        {
            cursor.SkipText(key);
        }
        else if (type != GgufValueType.Bool)
        {
            cursor.Skip((ulong)GgufCursor.SizeOf(type), key);
        }
        else if (cursor.Read<byte>(key) is > 1 and var value)
        {
            throw cursor.Fault(key, $"is a Bool of value {value}.");
        }
    }

    private static int Alignment(GgufMetadata metadata, Dictionary<string, GgufMetadata.Entry> entries)
    {
        if (!entries.TryGetValue(AlignmentKey, out GgufMetadata.Entry entry))
        {
            return DefaultAlignment;
        }
        if (entry.Type != GgufValueType.UInt32)
        {
            throw metadata.Fault(AlignmentKey, $"is {entry.Type}; UInt32 is needed.");
        }
        int alignment = metadata.Int(AlignmentKey, 1, MaxAlignment);
        return BitOperations.IsPow2(alignment) ? alignment : throw metadata.Fault(AlignmentKey, $"must be a power of two, is {alignment}.");
    }

    private static List<StoredTensor> ReadTensors(MappedFile file, ref GgufCursor cursor, int count, int alignment)
    {
        List<(string Name, StoredType Type, long[] Shape, long Bytes, ulong Offset)> described = [];
        for (int i = 0; i < count; i++)
        {
            string name = ReadName(ref cursor, $"name of tensor {i}");
            long[] shape = ReadShape(ref cursor, name);
            uint number = cursor.Read<uint>(name);
            StoredType type = GgufTypes.TryGet(number, out StoredType? known)
                ? known
                : throw cursor.Fault(name, $"has the element type {number}, which this engine does not know.");
            described.Add((name, type, shape, Bytes(ref cursor, name, type, shape), cursor.Read<ulong>(name)));
        }
        long start = Align(cursor.Position, alignment), next = 0;
        List<StoredTensor> tensors = new(described.Count);
        foreach ((string name, StoredType type, long[] shape, long bytes, ulong offset) in described)
        {
            if (offset != (ulong)next)
            {
                throw cursor.Fault(name, $"begins at {offset} of the data; the tensors before it end at {next}: they overlap, leave a hole, or are out of order.");
            }
            if (start > file.Length - next || bytes > file.Length - next - start)
            {
                throw cursor.Fault(name, $"ends at {(UInt128)(ulong)start + offset + (ulong)bytes}, beyond the {file.Length} bytes of the file: it is truncated.");
            }
            tensors.Add(new StoredTensor(name, type, shape, file.Path, start + next, bytes));
            next = Align(next + bytes, alignment);
        }
        return tensors;
    }

    // Outermost first, as everywhere else; the file has the contiguous dimension first.
    private static long[] ReadShape(ref GgufCursor cursor, string name)
    {
        uint dimensions = cursor.Read<uint>(name);
        if (dimensions is 0 or > MaxDimensions)
        {
            throw cursor.Fault(name, $"has {dimensions} dimensions; 1 to {MaxDimensions} are possible.");
        }
        long[] shape = new long[dimensions];
        for (int i = shape.Length - 1; i >= 0; i--)
        {
            ulong extent = cursor.Read<ulong>(name);
            shape[i] = extent is > 0 and <= long.MaxValue
                ? (long)extent
                : throw cursor.Fault(name, $"has a dimension of {extent} elements.");
        }
        return shape;
    }

    private static long Bytes(ref GgufCursor cursor, string name, StoredType type, long[] shape)
    {
        if (shape[^1] % type.BlockElements != 0)
        {
            throw cursor.Fault(name, $"has rows of {shape[^1]} elements, which are no whole blocks of {type}: {type.BlockElements} elements.");
        }
        UInt128 elements = 1;
        foreach (long extent in shape)
        {
            // Both factors are below 2^63 here, so the product is exact before it is compared.
            elements *= (ulong)extent;
            if (elements > long.MaxValue)
            {
                throw cursor.Fault(name, $"has the shape [{string.Join(", ", shape)}], more elements than 63 bits count.");
            }
        }
        UInt128 bytes = elements / (uint)type.BlockElements * (uint)type.BlockBytes;
        return bytes <= (ulong)cursor.Remaining
            ? (long)bytes
            : throw cursor.Fault(name, $"needs {bytes} bytes for [{string.Join(", ", shape)}] of {type}, more than the file has: it is truncated, or the shape is wrong.");
    }

    private static long Align(long value, int alignment) => (value + alignment - 1) / alignment * alignment;
}
