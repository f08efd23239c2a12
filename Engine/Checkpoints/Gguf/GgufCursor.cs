using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Unicode;
using Llama4Kernels.Interop.Memory;

namespace Llama4Kernels.Engine.Checkpoints.Gguf;

/// <summary>
/// Reads the front of a GGUF file from its beginning on; every read is checked against the file's end. Nothing is allocated
/// from a size that the file merely declares.
/// </summary>
internal unsafe struct GgufCursor(MappedFile file, long position)
{
    /// <summary>Bytes of a metadata string at most; chat templates and licences are the longest that there are.</summary>
    public const int MaxStringBytes = 16 << 20;

    /// <summary>The next byte to be read.</summary>
    public long Position { get; private set; } = position;

    /// <summary>Bytes up to the end of the file.</summary>
    public readonly long Remaining => file.Length - Position;

    /// <summary>Bytes of a value of a type that has a size of its own; 0 for strings and arrays.</summary>
    public static int SizeOf(GgufValueType type) => type switch
    {
        GgufValueType.UInt8 or GgufValueType.Int8 or GgufValueType.Bool => 1,
        GgufValueType.UInt16 or GgufValueType.Int16 => 2,
        GgufValueType.UInt32 or GgufValueType.Int32 or GgufValueType.Float32 => 4,
        GgufValueType.UInt64 or GgufValueType.Int64 or GgufValueType.Float64 => 8,
        _ => 0,
    };

    /// <summary>A little-endian number.</summary>
    public T Read<T>(string field)
        where T : unmanaged
    {
        if (Remaining < sizeof(T))
        {
            throw Fault(field, "passes the end of the file.");
        }
        T value = Unsafe.ReadUnaligned<T>(file.Pointer + Position);
        Position += sizeof(T);
        return value;
    }

    /// <summary>Steps over bytes.</summary>
    public void Skip(ulong bytes, string field)
    {
        if (bytes > (ulong)Remaining)
        {
            throw Fault(field, $"of {bytes} bytes passes the end of the file.");
        }
        Position += (long)bytes;
    }

    /// <summary>Steps over a string.</summary>
    public void SkipText(string field) => Skip(Length(field), field);

    /// <summary>A string: its length as 64 bits, then UTF-8.</summary>
    public string ReadText(string field)
    {
        int length = (int)Length(field);
        var bytes = new ReadOnlySpan<byte>(file.Pointer + Position, length);
        if (!Utf8.IsValid(bytes))
        {
            throw Fault(field, "is not valid UTF-8.");
        }
        Position += length;
        return Encoding.UTF8.GetString(bytes);
    }

    /// <summary>The type of a value.</summary>
    public GgufValueType ReadType(string field)
    {
        uint type = Read<uint>(field);
        return type <= (uint)GgufValueType.Float64
            ? (GgufValueType)type
            : throw Fault(field, $"has the unknown value type {type}.");
    }

    public readonly ModelFormatException Fault(string field, string reason) => new(file.Path, field, reason);

    private ulong Length(string field)
    {
        ulong length = Read<ulong>(field);
        if (length > (ulong)Remaining)
        {
            throw Fault(field, $"a string of {length} bytes passes the end of the file.");
        }
        return length <= MaxStringBytes ? length : throw Fault(field, $"a string of {length} bytes is too long; the limit is {MaxStringBytes}.");
    }
}
