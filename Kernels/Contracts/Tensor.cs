using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Kernels.Contracts;

/// <summary>
/// A view of activations or of a vector of weights: row-major [<paramref name="Rows"/>, <paramref name="Columns"/>],
/// contiguous. It owns nothing; the <see cref="DeviceMemory"/> behind it must outlive it. Each operation checks type and place
/// of its operands beside their shape (<see cref="ShapeCheck"/>), so that a tensor of another backend never reaches a kernel.
/// </summary>
/// <param name="Address">First element, an address of the place.</param>
/// <param name="Rows">Rows, usually tokens.</param>
/// <param name="Columns">Elements of a row.</param>
/// <param name="Type">What an element is.</param>
/// <param name="Place">Where it lies.</param>
public readonly record struct Tensor(nint Address, int Rows, int Columns, ElementType Type, MemoryPlace Place)
{
    /// <summary>Elements in total.</summary>
    public long Elements => (long)Rows * Columns;

    /// <summary>Bytes in total.</summary>
    public long Bytes => Elements * Type.Size();

    /// <summary>The rows [<paramref name="first"/>, first + count) as a view.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The range is not inside the tensor.</exception>
    public Tensor Slice(int first, int count)
    {
        if ((uint)first > (uint)Rows || (uint)count > (uint)(Rows - first))
        {
            throw new ArgumentOutOfRangeException(nameof(first), $"Rows [{first}, {first}+{count}) are not inside a tensor of {Rows} rows.");
        }
        return this with { Address = Address + (nint)((long)first * Columns * Type.Size()), Rows = count };
    }

    /// <summary>The first elements in another shape.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There are fewer elements than the shape has.</exception>
    public Tensor As(int rows, int columns)
    {
        if (rows < 0 || columns < 0 || (long)rows * columns > Elements)
        {
            throw new ArgumentOutOfRangeException(nameof(rows), $"[{rows}, {columns}] has more elements than a tensor [{Rows}, {Columns}].");
        }
        return this with { Rows = rows, Columns = columns };
    }

    /// <summary>The first float32, where the operation has checked type and place.</summary>
    internal unsafe float* Pointer => (float*)Address;
}
