namespace Llama4Kernels.Kernels.Contracts.Cuda;

/// <summary>Kinds of a kernel's parameters.</summary>
public enum KernelArgumentKind
{
    /// <summary>A device address and a number of elements, both 64-bit.</summary>
    View,

    /// <summary>int32.</summary>
    Int32,

    /// <summary>int64.</summary>
    Int64,

    /// <summary>float32.</summary>
    Float32,

    /// <summary>A tensor map: 128 bytes at a multiple of 64.</summary>
    TensorMap,
}

/// <summary>A parameter of a device kernel.</summary>
/// <param name="Name">Its name in the kernel's source.</param>
/// <param name="Kind">What it is.</param>
public readonly record struct KernelArgument(string Name, KernelArgumentKind Kind)
{
    /// <summary>Its size.</summary>
    public int Bytes => Kind switch
    {
        KernelArgumentKind.View => 16,
        KernelArgumentKind.Int64 => 8,
        KernelArgumentKind.TensorMap => 128,
        _ => 4,
    };

    /// <summary>What its offset in the parameter space is a multiple of.</summary>
    public int Alignment => Kind switch
    {
        KernelArgumentKind.View or KernelArgumentKind.Int64 => 8,
        KernelArgumentKind.TensorMap => 64,
        _ => 4,
    };
}
