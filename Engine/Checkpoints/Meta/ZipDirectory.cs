using System.Buffers.Binary;
using System.Text;
using Llama4Kernels.Interop.Memory;

namespace Llama4Kernels.Engine.Checkpoints.Meta;

/// <summary>An entry of a zip archive in its file.</summary>
/// <param name="Offset">First byte.</param>
/// <param name="Bytes">Length.</param>
/// <param name="Checksum">CRC-32 that the directory gives; not compared with the bytes, and 0 from writers that leave it out.</param>
internal readonly record struct ZipRecord(long Offset, long Bytes, uint Checksum);

/// <summary>
/// Where the entries of a mapped zip archive lie. Entries must be stored, not compressed, so that their bytes can be used in
/// place. Sizes come from the directory, since local headers may lack them; ZIP64 is understood.
/// </summary>
internal static unsafe class ZipDirectory
{
    private const uint EndSignature = 0x06054b50, End64Signature = 0x06064b50, Locator64Signature = 0x07064b50;
    private const uint EntrySignature = 0x02014b50, LocalSignature = 0x04034b50;
    private const int EndBytes = 22, Locator64Bytes = 20, End64Bytes = 56, EntryBytes = 46, LocalBytes = 30;
    private const int MaxComment = 65535;
    private const ushort Zip64Field = 1;

    /// <summary>The entries by name.</summary>
    /// <exception cref="ModelFormatException">The file is no zip archive, or one that cannot be used in place.</exception>
    public static Dictionary<string, ZipRecord> Read(MappedFile file)
    {
        long end = FindEnd(file);
        (ulong count, ulong bytes, ulong offset) = (U16(file, end + 10), U32(file, end + 12), U32(file, end + 16));
        if (end >= Locator64Bytes && U32(file, end - Locator64Bytes) == Locator64Signature)
        {
            ulong at = U64(file, end - Locator64Bytes + 8);
            if (at > (ulong)(end - Locator64Bytes) || (ulong)(end - Locator64Bytes) - at < End64Bytes || U32(file, (long)at) != End64Signature)
            {
                throw Fault(file, "zip directory", "the ZIP64 end record is not where its locator says.");
            }
            (count, bytes, offset) = (U64(file, (long)at + 32), U64(file, (long)at + 40), U64(file, (long)at + 48));
        }
        if (offset > (ulong)end || bytes > (ulong)end - offset || count > bytes / EntryBytes)
        {
            throw Fault(file, "zip directory", $"of {count} entries and {bytes} bytes at {offset} does not lie before the file's end.");
        }
        return ReadEntries(file, (long)offset, (long)(offset + bytes), (int)Math.Min(count, int.MaxValue));
    }

    private static long FindEnd(MappedFile file)
    {
        for (long at = file.Length - EndBytes; at >= 0 && at >= file.Length - EndBytes - MaxComment; at--)
        {
            if (U32(file, at) == EndSignature)
            {
                return at;
            }
        }
        bool begins = file.Length >= 4 && U32(file, 0) == LocalSignature;
        throw Fault(file, null, begins
            ? "has no zip directory at its end: it is truncated. Download it again."
            : $"is no zip archive, as files of torch.save are{(OtherContent.Name(ModelFiles.Start(file)) is string other ? ": " + other : "")}.");
    }

    private static Dictionary<string, ZipRecord> ReadEntries(MappedFile file, long at, long end, int count)
    {
        Dictionary<string, ZipRecord> entries = new(StringComparer.Ordinal);
        for (int i = 0; i < count; i++)
        {
            if (end - at < EntryBytes || U32(file, at) != EntrySignature)
            {
                throw Fault(file, "zip directory", $"entry {i} of {count} is not there.");
            }
            int nameBytes = U16(file, at + 28), extraBytes = U16(file, at + 30), commentBytes = U16(file, at + 32);
            if (end - at - EntryBytes < nameBytes + extraBytes + commentBytes)
            {
                throw Fault(file, "zip directory", $"entry {i} passes the directory's end.");
            }
            string name = Encoding.UTF8.GetString(file.Pointer + at + EntryBytes, nameBytes);
            int flags = U16(file, at + 8), method = U16(file, at + 10);
            if (method != 0 || (flags & 1) != 0)
            {
                throw Fault(file, name, $"is {(method != 0 ? "compressed" : "encrypted")}; torch.save stores entries as they are.");
            }
            (ulong packed, ulong bytes, ulong local) = Sizes(file, at, nameBytes, extraBytes);
            if (packed != bytes)
            {
                throw Fault(file, name, $"is stored, but has two sizes: {packed} and {bytes}.");
            }
            if (!entries.TryAdd(name, Data(file, name, local, bytes, U32(file, at + 16))))
            {
                throw Fault(file, name, "is in the archive twice.");
            }
            at += EntryBytes + nameBytes + extraBytes + commentBytes;
        }
        return entries;
    }

    // Fields of 32 bits that are all ones stand in the ZIP64 extra field, in this order.
    private static (ulong Packed, ulong Bytes, ulong Local) Sizes(MappedFile file, long at, int nameBytes, int extraBytes)
    {
        ulong packed = U32(file, at + 20), bytes = U32(file, at + 24), local = U32(file, at + 42);
        long extra = at + EntryBytes + nameBytes, end = extra + extraBytes;
        while (end - extra >= 4)
        {
            long field = extra + 4, fieldEnd = field + U16(file, extra + 2);
            if (U16(file, extra) == Zip64Field && fieldEnd <= end)
            {
                Take(ref bytes);
                Take(ref packed);
                Take(ref local);
            }
            extra = fieldEnd;

            void Take(ref ulong value)
            {
                if (value == uint.MaxValue && fieldEnd - field >= 8)
                {
                    value = U64(file, field);
                    field += 8;
                }
            }
        }
        return (packed, bytes, local);
    }

    // The local header has its own name and extra field, which may be longer than the directory's.
    private static ZipRecord Data(MappedFile file, string name, ulong local, ulong bytes, uint checksum)
    {
        if (local > (ulong)file.Length || (ulong)file.Length - local < LocalBytes || U32(file, (long)local) != LocalSignature)
        {
            throw Fault(file, name, $"has no local header at {local}.");
        }
        ulong start = local + LocalBytes + U16(file, (long)local + 26) + U16(file, (long)local + 28);
        return start <= (ulong)file.Length && bytes <= (ulong)file.Length - start
            ? new ZipRecord((long)start, (long)bytes, checksum)
            : throw Fault(file, name, $"of {bytes} bytes at {start} passes the file's end.");
    }

    // Callers have checked that the bytes are inside the file.
    private static ushort U16(MappedFile file, long at) => BinaryPrimitives.ReadUInt16LittleEndian(new ReadOnlySpan<byte>(file.Pointer + at, 2));

    private static uint U32(MappedFile file, long at) => BinaryPrimitives.ReadUInt32LittleEndian(new ReadOnlySpan<byte>(file.Pointer + at, 4));

    private static ulong U64(MappedFile file, long at) => BinaryPrimitives.ReadUInt64LittleEndian(new ReadOnlySpan<byte>(file.Pointer + at, 8));

    private static ModelFormatException Fault(MappedFile file, string? field, string reason) => new(file.Path, field, reason);
}
