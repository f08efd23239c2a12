namespace Llama4Kernels.Engine.Checkpoints.SafeTensors;

/// <summary>One tensor of a safetensors header, already validated against the file.</summary>
internal sealed class TensorInfo
{
    private readonly long[] _shape;

    internal TensorInfo(string name, SafeTensorsType type, long[] shape, long begin, long end)
    {
        Name = name;
        DType = type;
        _shape = shape;
        Begin = begin;
        End = end;
    }

    /// <summary>The name.</summary>
    public string Name { get; }

    /// <summary>Element type.</summary>
    public SafeTensorsType DType { get; }

    /// <summary>Extent of each dimension, the last one contiguous; empty for a scalar.</summary>
    public IReadOnlyList<long> Shape => _shape;

    /// <summary>First byte, counted from the start of the file's data section.</summary>
    public long Begin { get; }

    /// <summary>One past the last byte, counted the same way.</summary>
    public long End { get; }

    /// <summary>Bytes of data.</summary>
    public long Bytes => End - Begin;

    /// <summary>Number of elements.</summary>
    public long Elements => Bytes * 8 / DType.Bits();

    /// <summary>The shape as "[a, b]".</summary>
    internal string ShapeText => $"[{string.Join(", ", _shape)}]";

    /// <inheritdoc/>
    public override string ToString() => $"{Name} {DType} {ShapeText}";
}
