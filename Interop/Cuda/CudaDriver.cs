using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace Llama4Kernels.Interop.Cuda;

/// <summary>The installed CUDA driver.</summary>
public sealed unsafe partial class CudaDriver : ICudaDriver
{
    private const int LogBytes = 64 * 1024;

    private CudaDriver()
    {
    }

    /// <inheritdoc/>
    public string Description => "CUDA driver";

    /// <summary>Loads and initialises the driver of this machine, if it has a usable one with at least one device.</summary>
    /// <param name="driver">The driver, or null.</param>
    /// <param name="reason">Why there is none, as a clause for a message; empty if there is one.</param>
    public static bool TryLoad([NotNullWhen(true)] out ICudaDriver? driver, out string reason) =>
        TryLoad(CudaLibrary.Candidates, out driver, out reason);

    internal static bool TryLoad(IReadOnlyList<string> candidates, [NotNullWhen(true)] out ICudaDriver? driver, out string reason)
    {
        driver = null;
        if (!CudaLibrary.TryLoad(candidates, out reason))
        {
            return false;
        }
        CudaResult result = CudaNative.cuInit(0);
        if (result != CudaResult.Success)
        {
            reason = $"the CUDA driver cannot be initialised: {result.Name()}.";
            return false;
        }
        int count;
        result = CudaNative.cuDeviceGetCount(&count);
        if (result != CudaResult.Success || count == 0)
        {
            reason = $"the CUDA driver reports no device: {(result == CudaResult.Success ? CudaResult.NoDevice : result).Name()}.";
            return false;
        }
        driver = new CudaDriver();
        return true;
    }

    /// <inheritdoc/>
    public CudaResult DriverGetVersion(out int version)
    {
        fixed (int* p = &version)
        {
            return CudaNative.cuDriverGetVersion(p);
        }
    }

    /// <inheritdoc/>
    public CudaResult DeviceGetCount(out int count)
    {
        fixed (int* p = &count)
        {
            return CudaNative.cuDeviceGetCount(p);
        }
    }

    /// <inheritdoc/>
    public CudaResult DeviceGet(out int device, int ordinal)
    {
        fixed (int* p = &device)
        {
            return CudaNative.cuDeviceGet(p, ordinal);
        }
    }

    /// <inheritdoc/>
    public CudaResult DeviceGetName(out string name, int device)
    {
        byte* text = stackalloc byte[256];
        text[0] = 0;
        CudaResult result = CudaNative.cuDeviceGetName(text, 256, device);
        name = ReadText(text, 256);
        return result;
    }

    /// <inheritdoc/>
    public CudaResult DeviceGetUuid(out Guid uuid, int device)
    {
        byte* bytes = stackalloc byte[16];
        new Span<byte>(bytes, 16).Clear();
        CudaResult result = CudaNative.cuDeviceGetUuid_v2(bytes, device);
        uuid = new Guid(new ReadOnlySpan<byte>(bytes, 16), bigEndian: true);
        return result;
    }

    /// <inheritdoc/>
    public CudaResult DeviceTotalMem(out long bytes, int device)
    {
        nuint value = 0;
        CudaResult result = CudaNative.cuDeviceTotalMem_v2(&value, device);
        bytes = checked((long)value);
        return result;
    }

    /// <inheritdoc/>
    public CudaResult DeviceGetAttribute(out int value, CudaDeviceAttribute attribute, int device)
    {
        fixed (int* p = &value)
        {
            return CudaNative.cuDeviceGetAttribute(p, attribute, device);
        }
    }

    /// <inheritdoc/>
    public CudaResult DeviceCanAccessPeer(out bool can, int device, int peer)
    {
        int value = 0;
        CudaResult result = CudaNative.cuDeviceCanAccessPeer(&value, device, peer);
        can = value != 0;
        return result;
    }

    /// <inheritdoc/>
    public CudaResult DevicePrimaryCtxRetain(out nint context, int device)
    {
        fixed (nint* p = &context)
        {
            return CudaNative.cuDevicePrimaryCtxRetain(p, device);
        }
    }

    /// <inheritdoc/>
    public CudaResult DevicePrimaryCtxRelease(int device) => CudaNative.cuDevicePrimaryCtxRelease_v2(device);

    /// <inheritdoc/>
    public CudaResult CtxSetCurrent(nint context) => CudaNative.cuCtxSetCurrent(context);

    /// <inheritdoc/>
    public CudaResult CtxGetCurrent(out nint context)
    {
        fixed (nint* p = &context)
        {
            return CudaNative.cuCtxGetCurrent(p);
        }
    }

    /// <inheritdoc/>
    public CudaResult CtxGetDevice(out int device)
    {
        fixed (int* p = &device)
        {
            return CudaNative.cuCtxGetDevice(p);
        }
    }

    /// <inheritdoc/>
    public CudaResult CtxSynchronize() => CudaNative.cuCtxSynchronize();

    /// <inheritdoc/>
    public CudaResult CtxEnablePeerAccess(nint peer) => CudaNative.cuCtxEnablePeerAccess(peer, 0);

    private static string ReadText(byte* text, int capacity)
    {
        var bytes = new ReadOnlySpan<byte>(text, capacity);
        int end = bytes.IndexOf((byte)0);
        return Encoding.UTF8.GetString(end < 0 ? bytes : bytes[..end]);
    }
}
