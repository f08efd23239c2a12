using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Llama4Kernels.Interop.Memory;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Engine.Checkpoints.SafeTensors;

/// <summary>
/// A safetensors file, mapped read-only. The whole header is validated before the first tensor is given out. The file
/// must not be truncated while it is open; see <see cref="MappedFile"/>.
/// </summary>
internal sealed unsafe class SafeTensorsFile : IDisposable
{
    private readonly MappedFile _map;
    private readonly long _dataStart;
    private readonly Dictionary<string, TensorInfo> _byName;

    private SafeTensorsFile(MappedFile map)
    {
        _map = map;
        string path = map.Path;
        if (map.Length < 8)
        {
            throw new ModelFormatException(path, null, $"is too small for a safetensors file: {map.Length} bytes, the header length alone takes 8.");
        }
        if ((map.Length == 8 || map.Pointer[8] != '{') && OtherContent.Name(ModelFiles.Start(map)) is string other)
        {
            throw new ModelFormatException(path, null, $"is no safetensors file: {other}.");
        }
        ulong headerBytes = BinaryPrimitives.ReadUInt64LittleEndian(new ReadOnlySpan<byte>(map.Pointer, 8));
        if (headerBytes > SafeTensorsHeader.MaxHeaderBytes)
        {
            throw new ModelFormatException(path, "header", $"is too large: {headerBytes} bytes, the limit is {SafeTensorsHeader.MaxHeaderBytes}.");
        }
        if ((long)headerBytes > map.Length - 8)
        {
            throw new ModelFormatException(path, "header", $"of {headerBytes} bytes passes the end of the file of {map.Length} bytes.");
        }
        _dataStart = 8 + (long)headerBytes;
        (TensorInfo[] tensors, _byName, Dictionary<string, string> metadata) = SafeTensorsHeader.Parse(
            path, new ReadOnlySpan<byte>(map.Pointer + 8, (int)headerBytes), map.Length - _dataStart);
        Tensors = tensors;
        Metadata = metadata;
    }

    /// <summary>The file's path as given to <see cref="Open"/>.</summary>
    public string Path => _map.Path;

    /// <summary>First byte of the data section.</summary>
    internal long DataStart => _dataStart;

    /// <summary>Bytes of tensor data.</summary>
    public long DataBytes => _map.Length - _dataStart;

    /// <summary>The tensors in the order of their data.</summary>
    public IReadOnlyList<TensorInfo> Tensors { get; }

    /// <summary>The strings under <c>__metadata__</c>; empty if absent.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>Opens and validates a file.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="ModelFormatException">It is missing, not a regular file, unreadable, or breaks a rule of the format.</exception>
    public static SafeTensorsFile Open(string path)
    {
        MappedFile map = ModelFiles.Map(path);
        try
        {
            return new SafeTensorsFile(map);
        }
        catch
        {
            map.Dispose();
            throw;
        }
    }

    /// <summary>The tensor of that name, or false.</summary>
    public bool TryGet(string name, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out TensorInfo? tensor) => _byName.TryGetValue(name, out tensor);

    /// <summary>The tensor of that name.</summary>
    /// <exception cref="ModelFormatException">There is none.</exception>
    public TensorInfo Get(string name) =>
        TryGet(name, out TensorInfo? tensor) ? tensor : throw new ModelFormatException(Path, name, "there is no such tensor.");

    /// <summary>Address of a tensor's first element, valid until <see cref="Dispose"/>; aligned to one byte only.</summary>
    /// <param name="tensor">A tensor of this file.</param>
    /// <exception cref="ModelFormatException">The file was truncated after it was opened.</exception>
    /// <exception cref="ArgumentException">The tensor is not of this file.</exception>
    public nint Address(TensorInfo tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        if (!TryGet(tensor.Name, out TensorInfo? own) || !ReferenceEquals(own, tensor))
        {
            throw new ArgumentException($"Tensor '{tensor.Name}' is not of file '{Path}'.", nameof(tensor));
        }
        try
        {
            _map.ThrowIfTruncated();
        }
        catch (IOException e)
        {
            throw new ModelFormatException(Path, tensor.Name, e.Message, e);
        }
        return (nint)(_map.Pointer + _dataStart + tensor.Begin);
    }

    /// <summary>A copy of a tensor of BF16, F16 or F32, widened to float32, flattened row-major.</summary>
    /// <exception cref="ModelFormatException">No such tensor, another type, or more elements than an array holds.</exception>
    public float[] ReadFloats(string name)
    {
        TensorInfo tensor = Get(name);
        if (tensor.DType is not (SafeTensorsType.F32 or SafeTensorsType.BF16 or SafeTensorsType.F16))
        {
            throw new ModelFormatException(Path, name, $"is {tensor.DType}; F32, BF16 or F16 is needed.");
        }
        byte* data = (byte*)Address(tensor);
        float[] values = new float[CheckedCount(tensor)];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = tensor.DType switch
            {
                SafeTensorsType.F32 => Unsafe.ReadUnaligned<float>(data + (4L * i)),
                SafeTensorsType.BF16 => Bf16.ToSingle(Unsafe.ReadUnaligned<ushort>(data + (2L * i))),
                _ => (float)Unsafe.ReadUnaligned<Half>(data + (2L * i)),
            };
        }
        return values;
    }

    /// <summary>A copy of an I64 tensor, flattened row-major.</summary>
    /// <exception cref="ModelFormatException">No such tensor, another type, or more elements than an array holds.</exception>
    public long[] ReadInt64(string name) => Read<long>(name, SafeTensorsType.I64);

    /// <summary>A copy of an I32 tensor, flattened row-major.</summary>
    /// <exception cref="ModelFormatException">No such tensor, another type, or more elements than an array holds.</exception>
    public int[] ReadInt32(string name) => Read<int>(name, SafeTensorsType.I32);

    /// <summary>A copy of a tensor's bytes, whatever its type.</summary>
    /// <exception cref="ModelFormatException">No such tensor, or more bytes than an array holds.</exception>
    public byte[] ReadBytes(string name)
    {
        TensorInfo tensor = Get(name);
        if (tensor.Bytes > Array.MaxLength)
        {
            throw new ModelFormatException(Path, name, $"has {tensor.Bytes} bytes, more than one array holds.");
        }
        return new ReadOnlySpan<byte>((void*)Address(tensor), (int)tensor.Bytes).ToArray();
    }

    /// <summary>What keeps the file mapped.</summary>
    /// <exception cref="ObjectDisposedException">The file was disposed.</exception>
    internal SafeHandle Memory => _map.Memory;

    /// <summary>Lets the operating system take back pages, if the address is in this file.</summary>
    internal void GiveBack(nint address, long bytes)
    {
        long offset = (byte*)address - _map.Pointer;
        if (offset >= 0 && offset < _map.Length)
        {
            _map.GiveBack(offset, Math.Min(bytes, _map.Length - offset));
        }
    }

    /// <summary>Unmaps the file; every address given out becomes invalid.</summary>
    public void Dispose() => _map.Dispose();

    private T[] Read<T>(string name, SafeTensorsType type)
        where T : unmanaged
    {
        TensorInfo tensor = Get(name);
        if (tensor.DType != type)
        {
            throw new ModelFormatException(Path, name, $"is {tensor.DType}; {type} is needed.");
        }
        byte* data = (byte*)Address(tensor);
        T[] values = new T[CheckedCount(tensor)];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = Unsafe.ReadUnaligned<T>(data + ((long)sizeof(T) * i));
        }
        return values;
    }

    // The bytes are in the file (the header is validated), so this allocates at most twice what the file holds.
    private int CheckedCount(TensorInfo tensor) => tensor.Elements <= Array.MaxLength
        ? (int)tensor.Elements
        : throw new ModelFormatException(Path, tensor.Name, $"has {tensor.Elements} elements, more than one array holds.");
}
