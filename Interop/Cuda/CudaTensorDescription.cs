namespace Llama4Kernels.Interop.Cuda;

/// <summary>A tensor in device memory and the box that one bulk copy moves; the innermost dimension stands first.</summary>
public sealed record CudaTensorDescription
{
    /// <summary>Element type.</summary>
    public required CudaTensorType Type { get; init; }

    /// <summary>Device address, a multiple of 16 bytes.</summary>
    public required nint Address { get; init; }

    /// <summary>Elements along each of 1 to 5 dimensions.</summary>
    public required IReadOnlyList<long> Extents { get; init; }

    /// <summary>Bytes between neighbours along dimension 1, 2, …: one fewer than there are dimensions, multiples of 16.</summary>
    public required IReadOnlyList<long> Strides { get; init; }

    /// <summary>Elements of the box along each dimension, 1 to 256.</summary>
    public required IReadOnlyList<int> Box { get; init; }

    /// <summary>Permutation in shared memory.</summary>
    public CudaTensorSwizzle Swizzle { get; init; }

    /// <summary>Prefetching into the second-level cache.</summary>
    public CudaTensorPromotion Promotion { get; init; }

    /// <summary>Bytes of an element.</summary>
    public int ElementBytes => Type switch
    {
        CudaTensorType.UInt8 => 1,
        CudaTensorType.UInt16 or CudaTensorType.Float16 or CudaTensorType.BFloat16 => 2,
        CudaTensorType.UInt32 or CudaTensorType.Int32 or CudaTensorType.Float32 => 4,
        CudaTensorType.UInt64 or CudaTensorType.Int64 or CudaTensorType.Float64 => 8,
        _ => throw new ArgumentException($"Tensor element type {(int)Type} is unknown."),
    };

    /// <summary>Checks what the hardware demands: the driver's own answer is only that some value is invalid.</summary>
    /// <exception cref="ArgumentException">The first demand that is not met.</exception>
    public void Validate()
    {
        int rank = Extents.Count;
        if (rank is < 1 or > 5 || Strides.Count != rank - 1 || Box.Count != rank)
        {
            throw new ArgumentException($"A tensor map needs 1 to 5 extents, as many box sizes and one stride fewer, not {rank}, {Box.Count} and {Strides.Count}.");
        }
        if (Address == 0 || Address % 16 != 0)
        {
            throw new ArgumentException($"A tensor map's address 0x{Address:x} must be a multiple of 16 and not 0.");
        }
        for (int i = 0; i < rank; i++)
        {
            if (Extents[i] is < 1 or > 1L << 32)
            {
                throw new ArgumentException($"A tensor map's extent {i} is {Extents[i]}; 1 to 2^32 is allowed.");
            }
            if (Box[i] is < 1 or > 256)
            {
                throw new ArgumentException($"A tensor map's box has {Box[i]} elements along dimension {i}; 1 to 256 is allowed.");
            }
            if (i > 0 && (Strides[i - 1] is < 1 or >= 1L << 40 || Strides[i - 1] % 16 != 0))
            {
                throw new ArgumentException($"A tensor map's stride of dimension {i} is {Strides[i - 1]} bytes; it must be a positive multiple of 16 below 2^40.");
            }
        }
        int inner = Box[0] * ElementBytes;
        int span = Swizzle == CudaTensorSwizzle.None ? int.MaxValue : 16 << (int)Swizzle;
        if (inner % 16 != 0 || inner > span)
        {
            throw new ArgumentException($"A row of the box has {inner} bytes; it must be a multiple of 16 and, with swizzle {Swizzle}, at most {span}.");
        }
    }
}
