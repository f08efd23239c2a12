namespace Llama4Kernels.Kernels.Contracts;

/// <summary>
/// A view of float32 activations in a backend's memory: row-major [<paramref name="Rows"/>, <paramref name="Columns"/>],
/// contiguous. It owns nothing; the <see cref="DeviceMemory"/> behind it must outlive it.
/// </summary>
/// <param name="Address">First element, an address of the backend (a host pointer on the CPU).</param>
/// <param name="Rows">Rows, usually tokens.</param>
/// <param name="Columns">Elements of a row.</param>
public readonly record struct Tensor(nint Address, int Rows, int Columns)
{
    /// <summary>Elements in total.</summary>
    public long Elements => (long)Rows * Columns;

    /// <summary>The rows [<paramref name="first"/>, first + count) as a view.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The range is not inside the tensor.</exception>
    public Tensor Slice(int first, int count)
    {
        if ((uint)first > (uint)Rows || (uint)count > (uint)(Rows - first))
        {
            throw new ArgumentOutOfRangeException(nameof(first), $"Rows [{first}, {first}+{count}) are not inside a tensor of {Rows} rows.");
        }
        return new Tensor(Address + (nint)((long)first * Columns * sizeof(float)), count, Columns);
    }

    internal unsafe float* Pointer => (float*)Address;
}
