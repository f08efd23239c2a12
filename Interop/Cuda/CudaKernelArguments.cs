using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Llama4Kernels.Interop.Cuda;

/// <summary>
/// The parameters of a kernel, packed as PTX lays them out: each at a multiple of its own alignment, structs at that of
/// their widest field. Can be changed and launched again without allocating. Not for several threads at once.
/// </summary>
public sealed unsafe class CudaKernelArguments : IDisposable
{
    private const int BaseAlignment = 64;

    private readonly List<int> _sizes = [];
    private readonly List<int> _offsets = [];
    private readonly int _capacity;
    private byte* _data;
    private void** _pointers;

    /// <summary>No parameters yet.</summary>
    /// <param name="capacity">Bytes, at most 4096: what every device takes.</param>
    public CudaKernelArguments(int capacity = 1024)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(capacity);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(capacity, 4096);
        _capacity = capacity;
        _data = (byte*)NativeMemory.AlignedAlloc((nuint)capacity, BaseAlignment);
        // The smallest parameter is a byte, so there are never more than bytes.
        _pointers = (void**)NativeMemory.Alloc((nuint)capacity, (nuint)sizeof(void*));
        new Span<byte>(_data, capacity).Clear();
    }

    /// <summary>Frees what was not disposed.</summary>
    ~CudaKernelArguments() => Free();

    /// <summary>Number of parameters.</summary>
    public int Count => _offsets.Count;

    /// <summary>Offset of each parameter in <see cref="Packed"/>.</summary>
    public IReadOnlyList<int> Offsets => _offsets;

    /// <summary>The parameters as they lie in a kernel's parameter space.</summary>
    /// <exception cref="ObjectDisposedException">It was disposed.</exception>
    public ReadOnlySpan<byte> Packed
    {
        get
        {
            ObjectDisposedException.ThrowIf(_data == null, this);
            return new ReadOnlySpan<byte>(_data, Count == 0 ? 0 : _offsets[^1] + _sizes[^1]);
        }
    }

    /// <summary>Address of each parameter, as launches take them.</summary>
    internal void** Pointers
    {
        get
        {
            ObjectDisposedException.ThrowIf(_data == null, this);
            return _pointers;
        }
    }

    /// <summary>Appends a device address, a number or a struct of such, at its natural alignment.</summary>
    /// <returns>This, to append the next.</returns>
    /// <exception cref="InvalidOperationException">The capacity is used up.</exception>
    public CudaKernelArguments Add<T>(T value)
        where T : unmanaged => Add(value, Unsafe.SizeOf<Padded<T>>() - Unsafe.SizeOf<T>());

    /// <summary>Appends a tensor map (<c>.param .align 64 .b8 map[128]</c>).</summary>
    public CudaKernelArguments Add(in CudaTensorMap map) => Add(map, CudaTensorMap.Alignment);

    /// <summary>Appends a value at a stricter alignment.</summary>
    /// <param name="value">The value.</param>
    /// <param name="alignment">A power of two up to 64, bytes.</param>
    public CudaKernelArguments Add<T>(T value, int alignment)
        where T : unmanaged
    {
        ObjectDisposedException.ThrowIf(_data == null, this);
        if (alignment is < 1 or > BaseAlignment || !int.IsPow2(alignment))
        {
            throw new ArgumentOutOfRangeException(nameof(alignment), alignment, "A power of two from 1 to 64 is needed.");
        }
        int offset = (Packed.Length + alignment - 1) & -alignment;
        if (offset + sizeof(T) > _capacity)
        {
            throw new InvalidOperationException($"Parameter {Count} of {sizeof(T)} bytes at {offset} exceeds the capacity of {_capacity} bytes.");
        }
        Unsafe.WriteUnaligned(_data + offset, value);
        _pointers[Count] = _data + offset;
        _offsets.Add(offset);
        _sizes.Add(sizeof(T));
        return this;
    }

    /// <summary>Changes a parameter.</summary>
    /// <param name="index">Its number, from 0.</param>
    /// <param name="value">A value of the size that was appended.</param>
    /// <exception cref="ArgumentException">The size differs.</exception>
    public void Set<T>(int index, T value)
        where T : unmanaged
    {
        ObjectDisposedException.ThrowIf(_data == null, this);
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, Count);
        if (_sizes[index] != sizeof(T))
        {
            throw new ArgumentException($"Parameter {index} has {_sizes[index]} bytes, the new value {sizeof(T)}.", nameof(value));
        }
        Unsafe.WriteUnaligned(_data + _offsets[index], value);
    }

    /// <summary>Removes all parameters.</summary>
    public void Clear()
    {
        _offsets.Clear();
        _sizes.Clear();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private void Free()
    {
        NativeMemory.AlignedFree(_data);
        NativeMemory.Free(_pointers);
        _data = null;
        _pointers = null;
    }

    /// <summary>A value behind one byte: what the pair is longer than the value is the value's alignment.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Padded<T>
        where T : unmanaged
    {
        public byte Before;
        public T Value;
    }
}
