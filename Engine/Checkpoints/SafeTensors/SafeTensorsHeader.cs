using System.Text;
using System.Text.Json;
using System.Text.Unicode;

namespace Llama4Kernels.Engine.Checkpoints.SafeTensors;

/// <summary>
/// Parses and validates the JSON header of a safetensors file. Nothing is allocated from a size that the header
/// merely declares: what is kept is bounded by the header's own bytes.
/// </summary>
internal ref struct SafeTensorsHeader
{
    public const long MaxHeaderBytes = 100_000_000;
    public const int MaxTensors = 1_000_000;
    public const int MaxNameBytes = 512;
    public const int MaxDimensions = 8;
    private const int MaxJsonDepth = 64;
    private const string MetadataKey = "__metadata__";

    private readonly string _file;
    private readonly Dictionary<string, TensorInfo> _tensors = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _metadata = new(StringComparer.Ordinal);
    private Utf8JsonReader _reader;

    private SafeTensorsHeader(string file, ReadOnlySpan<byte> json)
    {
        _file = file;
        _reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = MaxJsonDepth });
    }

    /// <summary>Reads the tensors, in order of their data, and the metadata.</summary>
    /// <param name="file">Name for error messages.</param>
    /// <param name="json">The header's bytes.</param>
    /// <param name="dataBytes">Bytes of the file that follow the header.</param>
    /// <exception cref="ModelFormatException">Any rule of the format is broken.</exception>
    public static (TensorInfo[] Tensors, Dictionary<string, TensorInfo> ByName, Dictionary<string, string> Metadata) Parse(
        string file, ReadOnlySpan<byte> json, long dataBytes)
    {
        if (!Utf8.IsValid(json))
        {
            throw new ModelFormatException(file, "header", "is not valid UTF-8.");
        }
        SafeTensorsHeader header = new(file, json);
        try
        {
            header.ReadAll();
        }
        catch (JsonException e)
        {
            throw new ModelFormatException(file, "header", $"is not valid JSON: {e.Message}", e);
        }
        TensorInfo[] tensors = [.. header._tensors.Values];
        Array.Sort(tensors, (a, b) => a.Begin != b.Begin ? a.Begin.CompareTo(b.Begin) : a.End.CompareTo(b.End));
        CheckCoverage(file, tensors, dataBytes);
        return (tensors, header._tensors, header._metadata);
    }

    // The tensors tile the data section: no hole, no overlap, nothing before, nothing after.
    private static void CheckCoverage(string file, TensorInfo[] tensors, long dataBytes)
    {
        long expected = 0;
        foreach (TensorInfo tensor in tensors)
        {
            if (tensor.Begin > expected)
            {
                throw new ModelFormatException(file, tensor.Name, $"leaves a hole: it begins at {tensor.Begin}, the data before it ends at {expected}.");
            }
            if (tensor.Begin < expected)
            {
                throw new ModelFormatException(file, tensor.Name, $"overlaps another tensor: it begins at {tensor.Begin}, the data before it ends at {expected}.");
            }
            expected = tensor.End;
            if (expected > dataBytes)
            {
                throw new ModelFormatException(file, tensor.Name, $"ends at {expected}, beyond the {dataBytes} bytes of data: the file is truncated.");
            }
        }
        if (expected != dataBytes)
        {
            throw new ModelFormatException(file, null, $"{dataBytes - expected} trailing bytes belong to no tensor.");
        }
    }

    private void ReadAll()
    {
        _reader.Read();
        if (_reader.TokenType != JsonTokenType.StartObject)
        {
            throw Fault("header", "must be a JSON object.");
        }
        bool metadataSeen = false;
        while (Next() != JsonTokenType.EndObject)
        {
            string name = ReadName("tensor name");
            Next();
            if (name == MetadataKey)
            {
                if (metadataSeen)
                {
                    throw Fault(MetadataKey, "appears twice.");
                }
                metadataSeen = true;
                ReadMetadata();
                continue;
            }
            CheckTensorName(name);
            if (_tensors.Count == MaxTensors)
            {
                throw Fault("header", $"lists more than {MaxTensors} tensors.");
            }
            if (!_tensors.TryAdd(name, ReadTensor(name)))
            {
                throw Fault(name, "appears twice in the header.");
            }
        }
        // Only white space may follow; the reader throws for anything else.
        _reader.Read();
    }

    private readonly void CheckTensorName(string name)
    {
        if (name.Length == 0)
        {
            throw Fault("tensor name", "is empty.");
        }
        if (name.Contains('\0'))
        {
            throw Fault("tensor name", "contains a NUL character.");
        }
        if (name.Contains("../", StringComparison.Ordinal))
        {
            throw Fault("tensor name", $"'{name}' contains '../'.");
        }
    }

    private void ReadMetadata()
    {
        if (_reader.TokenType != JsonTokenType.StartObject)
        {
            throw Fault(MetadataKey, "must be an object of strings.");
        }
        while (Next() != JsonTokenType.EndObject)
        {
            string key = ReadText(MetadataKey);
            if (Next() != JsonTokenType.String)
            {
                throw Fault(MetadataKey, $"'{Shorten(key)}' must be a string.");
            }
            if (!_metadata.TryAdd(key, ReadText(MetadataKey)))
            {
                throw Fault(MetadataKey, $"'{Shorten(key)}' appears twice.");
            }
        }
    }

    private TensorInfo ReadTensor(string name)
    {
        if (_reader.TokenType != JsonTokenType.StartObject)
        {
            throw Fault(name, "must be an object with dtype, shape and data_offsets.");
        }
        SafeTensorsType? type = null;
        long[]? shape = null;
        long[]? offsets = null;
        while (Next() != JsonTokenType.EndObject)
        {
            string key = ReadFieldName(name);
            Next();
            switch (key)
            {
                case "dtype" when type is null:
                    type = ReadType(name);
                    break;
                case "shape" when shape is null:
                    shape = ReadIntegers(name, key, MaxDimensions);
                    break;
                case "data_offsets" when offsets is null:
                    offsets = ReadIntegers(name, key, 2);
                    break;
                case "dtype" or "shape" or "data_offsets":
                    throw Fault(name, $"has '{key}' twice.");
                default:
                    throw Fault(name, $"has the unknown field '{Shorten(key)}'.");
            }
        }
        if (type is null || shape is null || offsets is null)
        {
            throw Fault(name, $"lacks '{(type is null ? "dtype" : shape is null ? "shape" : "data_offsets")}'.");
        }
        if (offsets.Length != 2)
        {
            throw Fault(name, "data_offsets must hold two numbers.");
        }
        CheckSize(name, type.Value, shape, offsets[0], offsets[1]);
        return new TensorInfo(name, type.Value, shape, offsets[0], offsets[1]);
    }

    /// <summary>The field's name; the usual ones without allocating, since a million tensors have three million of them.</summary>
    private string ReadFieldName(string tensor)
    {
        if (!_reader.ValueIsEscaped)
        {
            ReadOnlySpan<byte> name = _reader.ValueSpan;
            if (name.SequenceEqual("dtype"u8))
            {
                return "dtype";
            }
            if (name.SequenceEqual("shape"u8))
            {
                return "shape";
            }
            if (name.SequenceEqual("data_offsets"u8))
            {
                return "data_offsets";
            }
        }
        return ReadName(tensor);
    }

    private readonly void CheckSize(string name, SafeTensorsType type, long[] shape, long begin, long end)
    {
        if (begin > end)
        {
            throw Fault(name, $"data_offsets run backwards: [{begin}, {end}].");
        }
        UInt128 elements = 1;
        foreach (long dimension in shape)
        {
            // Both factors are below 2^64 here, so the product is exact before it is compared.
            elements *= (ulong)dimension;
            if (elements > long.MaxValue)
            {
                throw Fault(name, $"shape [{string.Join(", ", shape)}] has more elements than 64 bits count.");
            }
        }
        UInt128 bits = elements * (uint)type.Bits();
        if (bits % 8 != 0)
        {
            throw Fault(name, $"{elements} elements of {type} are not a whole number of bytes.");
        }
        if (bits / 8 != (ulong)(end - begin))
        {
            throw Fault(name, $"shape [{string.Join(", ", shape)}] of {type} needs {bits / 8} bytes, data_offsets give {end - begin}.");
        }
    }

    private SafeTensorsType ReadType(string name)
    {
        if (_reader.TokenType != JsonTokenType.String)
        {
            throw Fault(name, "dtype must be a string.");
        }
        string text = ReadText(name);
        return SafeTensorsTypes.TryParse(text, out SafeTensorsType type) ? type : throw Fault(name, $"unknown dtype '{Shorten(text)}'.");
    }

    private long[] ReadIntegers(string name, string key, int limit)
    {
        if (_reader.TokenType != JsonTokenType.StartArray)
        {
            throw Fault(name, $"{key} must be an array.");
        }
        Span<long> values = stackalloc long[MaxDimensions];
        int count = 0;
        while (Next() != JsonTokenType.EndArray)
        {
            if (_reader.TokenType != JsonTokenType.Number || !_reader.TryGetInt64(out long value) || value < 0)
            {
                throw Fault(name, $"{key} must hold non-negative integers.");
            }
            if (count == limit)
            {
                throw Fault(name, $"{key} holds more than {limit} numbers.");
            }
            values[count++] = value;
        }
        return values[..count].ToArray();
    }

    private string ReadName(string field)
    {
        // An escape takes at most six bytes for one: anything longer cannot fit, so do not build the string.
        if (_reader.ValueSpan.Length > MaxNameBytes * 6)
        {
            throw Fault(field, $"is longer than {MaxNameBytes} bytes.");
        }
        string name = ReadText(field);
        if (Encoding.UTF8.GetByteCount(name) > MaxNameBytes)
        {
            throw Fault(field, $"is longer than {MaxNameBytes} bytes.");
        }
        return name;
    }

    private readonly string ReadText(string field)
    {
        try
        {
            return _reader.GetString()!;
        }
        catch (InvalidOperationException e)
        {
            throw new ModelFormatException(_file, field, "contains an unpaired surrogate escape.", e);
        }
    }

    private JsonTokenType Next()
    {
        if (!_reader.Read())
        {
            throw Fault("header", "ends early.");
        }
        return _reader.TokenType;
    }

    private readonly ModelFormatException Fault(string field, string reason) => new(_file, field, reason);

    private static string Shorten(string text) => text.Length <= 80 ? text : text[..80] + "…";
}
