using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Kernels.Contracts;

/// <summary>Memory owned by a backend, zeroed and aligned to 64 bytes or more. Dispose frees it.</summary>
public abstract class DeviceMemory : IDisposable
{
    /// <summary>First byte, as an address of the backend.</summary>
    public abstract nint Address { get; }

    /// <summary>Where it lies.</summary>
    public abstract MemoryPlace Place { get; }

    /// <summary>Bytes.</summary>
    public abstract long Length { get; }

    /// <inheritdoc/>
    public abstract void Dispose();

    /// <summary>A float32 view [rows, columns] at <paramref name="byteOffset"/>.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The view passes the end of the memory.</exception>
    public Tensor View(int rows, int columns, long byteOffset = 0) => View(ElementType.F32, rows, columns, byteOffset);

    /// <summary>A view [rows, columns] of elements of a type at <paramref name="byteOffset"/>.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The view passes the end of the memory.</exception>
    public Tensor View(ElementType type, int rows, int columns, long byteOffset = 0)
    {
        var view = new Tensor(Address + (nint)byteOffset, rows, columns, type, Place);
        if (byteOffset < 0 || rows < 0 || columns < 0 || byteOffset > Length - view.Bytes)
        {
            throw new ArgumentOutOfRangeException(nameof(byteOffset), $"A view [{rows}, {columns}] at byte {byteOffset} passes the end of {Length} bytes.");
        }
        return view;
    }
}
