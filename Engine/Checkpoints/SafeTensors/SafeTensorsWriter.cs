using System.Buffers;
using System.Buffers.Binary;
using System.Text.Encodings.Web;
using System.Text.Json;
using Llama4Kernels.Interop.Files;

namespace Llama4Kernels.Engine.Checkpoints.SafeTensors;

/// <summary>Writes safetensors files.</summary>
internal static class SafeTensorsWriter
{
    /// <summary>
    /// Writes a file: tensors by descending element size and then by name, so that each is aligned to its elements, and
    /// the header padded to a multiple of 8 bytes. A regular file appears under its name only once it is complete; devices and
    /// pipes are written through, and links stay links.
    /// </summary>
    /// <param name="path">The file; replaced if it exists.</param>
    /// <param name="tensors">The tensors, in any order.</param>
    /// <param name="metadata">Strings for <c>__metadata__</c>, or null.</param>
    /// <exception cref="ArgumentException">A name occurs twice, a shape is impossible, or an entry wrote another number of bytes than its shape needs.</exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public static void Write(string path, IEnumerable<SafeTensorsEntry> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(tensors);
        SafeTensorsEntry[] ordered = [.. tensors.OrderByDescending(t => t.DType.Bits()).ThenBy(t => t.Name, StringComparer.Ordinal)];
        byte[] header = BuildHeader(ordered, metadata);
        using OutputFile file = OutputFile.Create(path);
        CountingStream stream = new(file.Stream);
        stream.Write(header);
        foreach (SafeTensorsEntry tensor in ordered)
        {
            tensor.WriteTo(stream);
        }
        file.Commit();
    }

    /// <summary>All that stands before the tensors, its own length included.</summary>
    /// <param name="tensors">The tensors, in the order of their data.</param>
    /// <param name="metadata">Strings for <c>__metadata__</c>, or null.</param>
    /// <param name="alignment">The header takes a multiple of so many bytes, at least 8.</param>
    /// <exception cref="ArgumentException">A name occurs twice, or a shape is impossible.</exception>
    public static byte[] BuildHeader(IReadOnlyList<SafeTensorsEntry> tensors, IReadOnlyDictionary<string, string>? metadata, int alignment = sizeof(long))
    {
        HashSet<string> names = new(StringComparer.Ordinal);
        ArrayBufferWriter<byte> buffer = new();
        using (Utf8JsonWriter json = new(buffer, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            if (metadata is { Count: > 0 })
            {
                json.WriteStartObject("__metadata__");
                foreach ((string key, string value) in metadata)
                {
                    json.WriteString(key, value);
                }
                json.WriteEndObject();
            }
            long offset = 0;
            foreach (SafeTensorsEntry tensor in tensors)
            {
                if (!names.Add(tensor.Name))
                {
                    throw new ArgumentException($"Tensor '{tensor.Name}' occurs twice.", nameof(tensors));
                }
                long end = checked(offset + tensor.Bytes);
                WriteTensor(json, tensor, offset, end);
                offset = end;
            }
            json.WriteEndObject();
        }
        const int Length = sizeof(long);
        byte[] header = new byte[(Length + buffer.WrittenCount + alignment - 1) / alignment * alignment];
        BinaryPrimitives.WriteInt64LittleEndian(header, header.Length - Length);
        buffer.WrittenSpan.CopyTo(header.AsSpan(Length));
        header.AsSpan(Length + buffer.WrittenCount).Fill((byte)' ');
        return header;
    }

    private static void WriteTensor(Utf8JsonWriter json, SafeTensorsEntry tensor, long begin, long end)
    {
        json.WriteStartObject(tensor.Name);
        json.WriteString("dtype", tensor.DType.ToString());
        json.WriteStartArray("shape");
        foreach (long dimension in tensor.Shape)
        {
            json.WriteNumberValue(dimension);
        }
        json.WriteEndArray();
        json.WriteStartArray("data_offsets");
        json.WriteNumberValue(begin);
        json.WriteNumberValue(end);
        json.WriteEndArray();
        json.WriteEndObject();
    }
}
