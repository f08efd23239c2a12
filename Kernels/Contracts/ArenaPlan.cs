namespace Llama4Kernels.Kernels.Contracts;

/// <summary>Where float32 tensors lie in one piece of memory: one behind the other, each at a multiple of 64 bytes.</summary>
public sealed class ArenaPlan
{
    private const long Alignment = 64;
    private readonly (int Rows, int Columns, long Offset)[] _parts;

    /// <summary>Plans tensors.</summary>
    /// <param name="parts">Rows and columns of each; none may be negative.</param>
    public ArenaPlan(params ReadOnlySpan<(int Rows, int Columns)> parts)
    {
        _parts = new (int, int, long)[parts.Length];
        for (int i = 0; i < parts.Length; i++)
        {
            (int rows, int columns) = parts[i];
            ArgumentOutOfRangeException.ThrowIfNegative(rows, nameof(parts));
            ArgumentOutOfRangeException.ThrowIfNegative(columns, nameof(parts));
            _parts[i] = (rows, columns, Bytes);
            Bytes = checked(Bytes + BytesOf(rows, columns));
        }
    }

    /// <summary>Bytes of all together.</summary>
    public long Bytes { get; }

    /// <summary>A tensor's place in memory that has as many bytes.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The memory is smaller.</exception>
    public Tensor View(DeviceMemory memory, int part)
    {
        ArgumentNullException.ThrowIfNull(memory);
        (int rows, int columns, long offset) = _parts[part];
        return memory.View(rows, columns, offset);
    }

    /// <summary>Bytes from the start of a tensor to where the next may begin.</summary>
    internal static long BytesOf(long rows, long columns) => checked(rows * columns * sizeof(float) + Alignment - 1) & -Alignment;
}
