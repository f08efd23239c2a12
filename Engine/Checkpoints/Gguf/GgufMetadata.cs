using Llama4Kernels.Interop.Memory;

namespace Llama4Kernels.Engine.Checkpoints.Gguf;

/// <summary>
/// The metadata of a GGUF file. Values stay in the mapped file until they are asked for; their bounds were checked when it was
/// opened. Errors name the file and the key.
/// </summary>
internal sealed class GgufMetadata(MappedFile file, IReadOnlyDictionary<string, GgufMetadata.Entry> entries)
{
    /// <summary>Where a value lies.</summary>
    /// <param name="Type">Its type.</param>
    /// <param name="Offset">Its first byte.</param>
    /// <param name="Element">For arrays: the type of the elements.</param>
    /// <param name="Count">For arrays: their number; 1 otherwise.</param>
    internal readonly record struct Entry(GgufValueType Type, long Offset, GgufValueType Element, long Count);

    /// <summary>The file.</summary>
    public string File => file.Path;

    /// <summary>All keys.</summary>
    public IEnumerable<string> Keys => entries.Keys;

    /// <summary>Whether there is a value of that key.</summary>
    public bool Has(string key) => entries.ContainsKey(key);

    /// <summary>
    /// A whole number within bounds, of whatever integer type, or an array of equal ones, as some converters write what layers might
    /// have of their own; absent gives the fallback, or is an error if there is none.
    /// </summary>
    public int Int(string key, int minimum, int maximum, int? fallback = null)
    {
        if (!entries.TryGetValue(key, out Entry entry))
        {
            return fallback ?? throw Fault(key, "is missing.");
        }
        if (entry.Count == 0)
        {
            throw Fault(key, "is an empty array; a whole number is needed.");
        }
        int value = Bounded(key, entry.Element, entry.Offset, minimum, maximum);
        for (long i = 1; i < entry.Count; i++)
        {
            if (Bounded(key, entry.Element, entry.Offset + i * GgufCursor.SizeOf(entry.Element), minimum, maximum) is var other && other != value)
            {
                throw Fault(key, $"is {value} for the first layer and {other} for layer {i}; layers of a Llama 4 are alike.");
            }
        }
        return value;
    }

    /// <summary>A whole number, or null when absent.</summary>
    public int? OptionalInt(string key, int minimum, int maximum) => Has(key) ? Int(key, minimum, maximum) : null;

    /// <summary>Numbers that are given for each layer are as many as there are layers.</summary>
    /// <exception cref="ModelFormatException">They are more, or fewer.</exception>
    public void CheckPerLayer(string key, int layers)
    {
        if (entries.TryGetValue(key, out Entry entry) && entry.Type == GgufValueType.Array && entry.Count != layers)
        {
            throw Fault(key, $"has {entry.Count} entries for {layers} layers.");
        }
    }

    /// <summary>A finite number above a bound; absent gives the fallback, or is an error if there is none.</summary>
    public double Number(string key, double above, double? fallback = null)
    {
        if (!entries.TryGetValue(key, out Entry entry))
        {
            return fallback ?? throw Fault(key, "is missing.");
        }
        double value = Double(key, entry.Type, entry.Offset);
        return double.IsFinite(value) && value > above ? value : throw Fault(key, $"must be a finite number above {above}, is {value}.");
    }

    /// <summary>True or false; absent gives the fallback.</summary>
    public bool Flag(string key, bool fallback)
    {
        if (!entries.TryGetValue(key, out Entry entry))
        {
            return fallback;
        }
        if (entry.Type != GgufValueType.Bool)
        {
            throw Fault(key, $"is {entry.Type}; Bool is needed.");
        }
        return new GgufCursor(file, entry.Offset).Read<byte>(key) != 0;
    }

    /// <summary>A string, or null when absent.</summary>
    public string? Text(string key)
    {
        if (!entries.TryGetValue(key, out Entry entry))
        {
            return null;
        }
        return entry.Type == GgufValueType.String
            ? new GgufCursor(file, entry.Offset).ReadText(key)
            : throw Fault(key, $"is {entry.Type}; String is needed.");
    }

    /// <summary>An array of strings, or null when absent.</summary>
    public string[]? Texts(string key)
    {
        if (!TryArray(key, GgufValueType.String, out Entry entry))
        {
            return null;
        }
        var cursor = new GgufCursor(file, entry.Offset);
        string[] values = new string[entry.Count];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = cursor.ReadText(key);
        }
        return values;
    }

    /// <summary>An array of 32-bit integers, or null when absent.</summary>
    public int[]? Ints(string key)
    {
        if (!entries.TryGetValue(key, out Entry entry))
        {
            return null;
        }
        GgufValueType element = entry.Element == GgufValueType.UInt32 ? GgufValueType.UInt32 : GgufValueType.Int32;
        _ = TryArray(key, element, out entry);
        int[] values = new int[entry.Count];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = Bounded(key, element, entry.Offset + 4L * i, int.MinValue, int.MaxValue);
        }
        return values;
    }

    /// <summary>An array of float32 numbers, or null when absent.</summary>
    public float[]? Floats(string key)
    {
        if (!TryArray(key, GgufValueType.Float32, out Entry entry))
        {
            return null;
        }
        float[] values = new float[entry.Count];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = new GgufCursor(file, entry.Offset + 4L * i).Read<float>(key);
        }
        return values;
    }

    /// <summary>An error about a key.</summary>
    public ModelFormatException Fault(string key, string reason) => new(file.Path, key, reason);

    private bool TryArray(string key, GgufValueType element, out Entry entry)
    {
        if (!entries.TryGetValue(key, out entry))
        {
            return false;
        }
        return entry.Type == GgufValueType.Array && entry.Element == element
            ? true
            : throw Fault(key, $"is {(entry.Type == GgufValueType.Array ? $"an array of {entry.Element}" : entry.Type)}; an array of {element} is needed.");
    }

    private int Bounded(string key, GgufValueType type, long offset, int minimum, int maximum)
    {
        var cursor = new GgufCursor(file, offset);
        Int128 value = type switch
        {
            GgufValueType.UInt8 => cursor.Read<byte>(key),
            GgufValueType.Int8 => cursor.Read<sbyte>(key),
            GgufValueType.UInt16 => cursor.Read<ushort>(key),
            GgufValueType.Int16 => cursor.Read<short>(key),
            GgufValueType.UInt32 => cursor.Read<uint>(key),
            GgufValueType.Int32 => cursor.Read<int>(key),
            GgufValueType.UInt64 => cursor.Read<ulong>(key),
            GgufValueType.Int64 => cursor.Read<long>(key),
            _ => throw Fault(key, $"is {type}; a whole number is needed."),
        };
        return value >= minimum && value <= maximum ? (int)value : throw Fault(key, $"must be within {minimum} and {maximum}, is {value}.");
    }

    private double Double(string key, GgufValueType type, long offset)
    {
        var cursor = new GgufCursor(file, offset);
        return type switch
        {
            GgufValueType.Float32 => cursor.Read<float>(key),
            GgufValueType.Float64 => cursor.Read<double>(key),
            _ => Bounded(key, type, offset, int.MinValue, int.MaxValue),
        };
    }
}
