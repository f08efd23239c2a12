namespace Llama4Kernels.Engine.Checkpoints.SafeTensors;

/// <summary>A tensor to be written. Its bytes are produced when their turn comes, so a file may exceed memory.</summary>
/// <param name="Name">The name.</param>
/// <param name="DType">Element type.</param>
/// <param name="Shape">Extent of each dimension; empty for a scalar.</param>
/// <param name="Write">Writes exactly the tensor's bytes, little-endian and row-major.</param>
internal sealed record SafeTensorsEntry(string Name, SafeTensorsType DType, IReadOnlyList<long> Shape, Action<Stream> Write)
{
    /// <summary>Bytes that its shape needs.</summary>
    /// <exception cref="ArgumentException">A dimension is negative, or they are not whole bytes.</exception>
    public long Bytes
    {
        get
        {
            long bits = DType.Bits();
            foreach (long dimension in Shape)
            {
                bits = dimension < 0 ? throw new ArgumentException($"Tensor '{Name}' has a negative dimension.", nameof(Shape)) : checked(bits * dimension);
            }
            return bits % 8 == 0 ? bits / 8 : throw new ArgumentException($"Tensor '{Name}' is not a whole number of bytes.", nameof(Shape));
        }
    }

    /// <summary>Writes it, and checks how much that is.</summary>
    /// <exception cref="ArgumentException">It wrote another number of bytes than its shape needs.</exception>
    public void WriteTo(CountingStream stream)
    {
        long start = stream.Written;
        Write(stream);
        if (stream.Written - start != Bytes)
        {
            throw new ArgumentException($"Tensor '{Name}' wrote {stream.Written - start} bytes, its shape needs {Bytes}.", nameof(Write));
        }
    }

    /// <summary>A tensor whose bytes are at hand.</summary>
    /// <param name="name">The name.</param>
    /// <param name="type">Element type.</param>
    /// <param name="shape">Extent of each dimension.</param>
    /// <param name="bytes">The data, little-endian and row-major; kept, not copied.</param>
    public static SafeTensorsEntry FromBytes(string name, SafeTensorsType type, IReadOnlyList<long> shape, ReadOnlyMemory<byte> bytes) =>
        new(name, type, shape, stream => stream.Write(bytes.Span));
}
