namespace Llama4Kernels.Interop.Cuda;

/// <summary>Result codes of the CUDA driver (CUresult). A code that is not named here keeps its number.</summary>
public enum CudaResult
{
    /// <summary>The call was done or, if asynchronous, accepted.</summary>
    Success = 0,

    /// <summary>An argument is out of range.</summary>
    InvalidValue = 1,

    /// <summary>Not enough memory.</summary>
    OutOfMemory = 2,

    /// <summary>cuInit was not called or failed.</summary>
    NotInitialized = 3,

    /// <summary>The driver is shutting down.</summary>
    Deinitialized = 4,

    /// <summary>The library is the toolkit's stub, not a driver.</summary>
    StubLibrary = 34,

    /// <summary>The device is used exclusively by another process.</summary>
    DeviceUnavailable = 46,

    /// <summary>The driver sees no device.</summary>
    NoDevice = 100,

    /// <summary>No device has that number.</summary>
    InvalidDevice = 101,

    /// <summary>The device's licence is missing.</summary>
    DeviceNotLicensed = 102,

    /// <summary>The module is no valid image.</summary>
    InvalidImage = 200,

    /// <summary>No context is current, or it was destroyed.</summary>
    InvalidContext = 201,

    /// <summary>The module has no code for this device.</summary>
    NoBinaryForGpu = 209,

    /// <summary>Memory error that could not be corrected.</summary>
    EccUncorrectable = 214,

    /// <summary>The limit is not supported by the device.</summary>
    UnsupportedLimit = 215,

    /// <summary>The devices cannot reach each other's memory.</summary>
    PeerAccessUnsupported = 217,

    /// <summary>The PTX does not assemble; the error log says why.</summary>
    InvalidPtx = 218,

    /// <summary>NVLink error that could not be corrected.</summary>
    NvlinkUncorrectable = 220,

    /// <summary>The driver's PTX compiler is not installed.</summary>
    JitCompilerNotFound = 221,

    /// <summary>The PTX's .version is newer than the driver.</summary>
    UnsupportedPtxVersion = 222,

    /// <summary>Compilation at run time is disabled.</summary>
    JitCompilationDisabled = 223,

    /// <summary>A contained hardware error: the process must be restarted.</summary>
    Contained = 226,

    /// <summary>A shared library that the driver needs is missing.</summary>
    SharedObjectInitFailed = 303,

    /// <summary>A call to the operating system failed.</summary>
    OperatingSystem = 304,

    /// <summary>The handle is not valid.</summary>
    InvalidHandle = 400,

    /// <summary>The resource is in a state that does not allow the call.</summary>
    IllegalState = 401,

    /// <summary>No such symbol.</summary>
    NotFound = 500,

    /// <summary>Work is still under way: no error.</summary>
    NotReady = 600,

    /// <summary>A kernel accessed memory that is not its own.</summary>
    IllegalAddress = 700,

    /// <summary>A launch wants more registers or shared memory than there are.</summary>
    LaunchOutOfResources = 701,

    /// <summary>A kernel ran longer than the display's watchdog allows.</summary>
    LaunchTimeout = 702,

    /// <summary>Peer access was enabled before.</summary>
    PeerAccessAlreadyEnabled = 704,

    /// <summary>Peer access is not enabled.</summary>
    PeerAccessNotEnabled = 705,

    /// <summary>The primary context is active already.</summary>
    PrimaryContextActive = 708,

    /// <summary>The context was destroyed.</summary>
    ContextIsDestroyed = 709,

    /// <summary>A kernel's assertion failed.</summary>
    Assert = 710,

    /// <summary>No further peer can be mapped.</summary>
    TooManyPeers = 711,

    /// <summary>The host memory is pinned already.</summary>
    HostMemoryAlreadyRegistered = 712,

    /// <summary>The host memory is not pinned.</summary>
    HostMemoryNotRegistered = 713,

    /// <summary>A kernel's call stack is corrupt.</summary>
    HardwareStackError = 714,

    /// <summary>A kernel met an illegal instruction.</summary>
    IllegalInstruction = 715,

    /// <summary>A kernel accessed memory at an address that is not aligned.</summary>
    MisalignedAddress = 716,

    /// <summary>A kernel used an address of the wrong state space.</summary>
    InvalidAddressSpace = 717,

    /// <summary>A kernel's program counter left its code.</summary>
    InvalidPc = 718,

    /// <summary>A kernel failed in a way that has no code of its own.</summary>
    LaunchFailed = 719,

    /// <summary>A cooperative launch has more blocks than fit on the device at once.</summary>
    CooperativeLaunchTooLarge = 720,

    /// <summary>A kernel ended without freeing its tensor memory.</summary>
    TensorMemoryLeak = 721,

    /// <summary>The call is not permitted.</summary>
    NotPermitted = 800,

    /// <summary>The device or system does not support it.</summary>
    NotSupported = 801,

    /// <summary>The system's fabric manager is not running.</summary>
    SystemNotReady = 802,

    /// <summary>Kernel driver and library have different versions.</summary>
    SystemDriverMismatch = 803,

    /// <summary>The device does not support forward compatibility.</summary>
    CompatNotSupportedOnDevice = 804,

    /// <summary>The call is not allowed while a stream is captured.</summary>
    StreamCaptureUnsupported = 900,

    /// <summary>An earlier error made the capture invalid.</summary>
    StreamCaptureInvalidated = 901,

    /// <summary>The capture would merge two captures.</summary>
    StreamCaptureMerge = 902,

    /// <summary>The capture was not begun on this stream.</summary>
    StreamCaptureUnmatched = 903,

    /// <summary>A stream that was forked into the capture was not joined.</summary>
    StreamCaptureUnjoined = 904,

    /// <summary>A dependency would cross the border of the capture.</summary>
    StreamCaptureIsolation = 905,

    /// <summary>The legacy stream cannot depend on a capture.</summary>
    StreamCaptureImplicit = 906,

    /// <summary>The event was recorded in a capture.</summary>
    CapturedEvent = 907,

    /// <summary>The capture was begun by another thread.</summary>
    StreamCaptureWrongThread = 908,

    /// <summary>A wait took longer than its limit.</summary>
    Timeout = 909,

    /// <summary>The graph's structure differs from the one that was instantiated.</summary>
    GraphExecUpdateFailure = 910,

    /// <summary>The cluster has more blocks than the device allows.</summary>
    InvalidClusterSize = 912,

    /// <summary>Unknown error inside the driver.</summary>
    Unknown = 999,
}

/// <summary>What the codes mean for a program.</summary>
public static class CudaResults
{
    /// <summary>
    /// After such an error every further call in the context fails with it: memory, modules and streams of the context
    /// are lost, and most of these errors want a new process.
    /// </summary>
    public static bool IsSticky(this CudaResult result) => result is
        CudaResult.Deinitialized or CudaResult.EccUncorrectable or CudaResult.NvlinkUncorrectable or CudaResult.Contained
        or CudaResult.IllegalAddress or CudaResult.LaunchTimeout or CudaResult.ContextIsDestroyed or CudaResult.Assert
        or CudaResult.HardwareStackError or CudaResult.IllegalInstruction or CudaResult.MisalignedAddress
        or CudaResult.InvalidAddressSpace or CudaResult.InvalidPc or CudaResult.LaunchFailed or CudaResult.TensorMemoryLeak;

    /// <summary>The code as NVIDIA's documents write it, with its number: <c>CUDA_ERROR_ILLEGAL_ADDRESS (700)</c>.</summary>
    public static string Name(this CudaResult result)
    {
        if (!Enum.IsDefined(result))
        {
            return $"CUDA error {(int)result}";
        }
        if (result == CudaResult.Success)
        {
            return "CUDA_SUCCESS (0)";
        }
        string words = string.Concat(result.ToString().Select((c, i) => i > 0 && char.IsUpper(c) ? "_" + c : c.ToString()));
        return $"CUDA_ERROR_{words.ToUpperInvariant()} ({(int)result})";
    }
}
