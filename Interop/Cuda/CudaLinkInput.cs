namespace Llama4Kernels.Interop.Cuda;

/// <summary>What a linker can be given (CUjitInputType).</summary>
public enum CudaLinkInput
{
    /// <summary>Machine code of one kind of device.</summary>
    Cubin = 0,

    /// <summary>PTX text that ends with a zero byte.</summary>
    Ptx = 1,

    /// <summary>Several of both in one file.</summary>
    FatBinary = 2,

    /// <summary>A host object file with device code in it.</summary>
    Object = 3,

    /// <summary>An archive of such objects.</summary>
    Library = 4,
}
