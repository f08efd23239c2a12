namespace Llama4Kernels.Interop.Cuda;

/// <summary>What a device can be asked for (CUdevice_attribute).</summary>
public enum CudaDeviceAttribute
{
    /// <summary>Threads of a block, at most.</summary>
    MaxThreadsPerBlock = 1,

    /// <summary>Bytes of shared memory of a block without opting in.</summary>
    MaxSharedMemoryPerBlock = 8,

    /// <summary>Threads of a warp.</summary>
    WarpSize = 10,

    /// <summary>Multiprocessors.</summary>
    MultiprocessorCount = 16,

    /// <summary>Width of the memory bus in bits.</summary>
    MemoryBusWidth = 37,

    /// <summary>Bytes of the second-level cache.</summary>
    L2CacheSize = 38,

    /// <summary>Threads of a multiprocessor, at most.</summary>
    MaxThreadsPerMultiprocessor = 39,

    /// <summary>The 9 of sm_90.</summary>
    ComputeCapabilityMajor = 75,

    /// <summary>The 0 of sm_90.</summary>
    ComputeCapabilityMinor = 76,

    /// <summary>Bytes of shared memory of a multiprocessor.</summary>
    MaxSharedMemoryPerMultiprocessor = 81,

    /// <summary>32-bit registers of a multiprocessor.</summary>
    MaxRegistersPerMultiprocessor = 82,

    /// <summary>1 if cooperative launches are possible.</summary>
    CooperativeLaunch = 95,

    /// <summary>Bytes of shared memory of a block that opts in.</summary>
    MaxSharedMemoryPerBlockOptin = 97,

    /// <summary>1 if memory can be allocated in stream order.</summary>
    MemoryPoolsSupported = 115,

    /// <summary>1 if blocks can be launched in clusters.</summary>
    ClusterLaunch = 120,

    /// <summary>1 if tensor maps can be used.</summary>
    TensorMapAccessSupported = 127,
}

/// <summary>What a function can be asked for (CUfunction_attribute).</summary>
public enum CudaFunctionAttribute
{
    /// <summary>Threads of a block, at most, with the registers it uses.</summary>
    MaxThreadsPerBlock = 0,

    /// <summary>Bytes of shared memory that the code declares.</summary>
    SharedSizeBytes = 1,

    /// <summary>Bytes of constant memory.</summary>
    ConstSizeBytes = 2,

    /// <summary>Bytes of local memory of a thread: more than 0 where registers were spilled or arrays are indexed.</summary>
    LocalSizeBytes = 3,

    /// <summary>Registers of a thread.</summary>
    RegisterCount = 4,

    /// <summary>PTX target, as 10·major + minor.</summary>
    PtxVersion = 5,

    /// <summary>Machine code's target, as 10·major + minor.</summary>
    BinaryVersion = 6,

    /// <summary>Bytes of dynamic shared memory that a launch may ask for; can be set.</summary>
    MaxDynamicSharedSizeBytes = 8,

    /// <summary>Percent of the first-level memory wanted as shared memory; can be set.</summary>
    PreferredSharedMemoryCarveout = 9,

    /// <summary>1 if clusters of more than 8 blocks are allowed; can be set.</summary>
    NonPortableClusterSizeAllowed = 14,
}
