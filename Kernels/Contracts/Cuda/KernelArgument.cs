namespace Llama4Kernels.Kernels.Contracts.Cuda;

/// <summary>
/// A parameter of a device kernel. A view takes 16 bytes: the device address and the number of elements, both 64-bit. Every
/// parameter is aligned to the size of its parts.
/// </summary>
/// <param name="Name">Its name in the kernel's source.</param>
/// <param name="IsView">A view, not a scalar.</param>
/// <param name="Bytes">Its size: 4 (int, float), 8 (long) or 16 (view).</param>
public readonly record struct KernelArgument(string Name, bool IsView, int Bytes);
