using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;

namespace Llama4Kernels.Kernels.Backends.Cuda;

/// <summary>Takes a CUDA device where there is a usable one, and says why or why not.</summary>
public static class CudaBackendChoice
{
    /// <summary>The oldest devices that kernels are compiled for: sm_80.</summary>
    private const int OldestMajor = 8;

    /// <summary>
    /// A backend on the first device if there is a driver, the device can run the kernels and has room for the model; else null, for
    /// the CPU. What it gives fits <c>ModelOptions.CreateBackend</c>.
    /// </summary>
    /// <param name="need">What the model needs on that device: <c>ModelMemory.Measure</c> says it. Asked if there is a device; null takes it whatever room it has.</param>
    /// <param name="modules">Where kernels come from; asked when the backend is made.</param>
    /// <param name="reason">What was chosen and why, as a line for people.</param>
    /// <param name="options">How the device's backend runs; null takes the defaults.</param>
    public static Func<IBackend>? Auto(Func<IBackendSizes, MemoryNeed>? need, Func<IKernelModules> modules, out string reason, CudaBackendOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(modules);
        return Auto(need, modules, LoadDriver, out reason, options);
    }

    /// <summary>A backend on a driver's first device, in its primary context.</summary>
    /// <exception cref="CudaException">The driver has no device, or the device has no room.</exception>
    public static CudaBackend Create(ICudaDriver driver, IKernelModules modules, CudaBackendOptions? options = null)
    {
        CudaContext context = CudaContext.RetainPrimary(driver);
        try
        {
            return new CudaBackend(context, modules, options, ownsContext: true);
        }
        catch
        {
            context.Dispose();
            throw;
        }
    }

    /// <summary>As <see cref="Auto(Func{IBackendSizes, MemoryNeed}, Func{IKernelModules}, out string, CudaBackendOptions)"/>, on a driver that the host loads itself.</summary>
    /// <param name="need">What the model needs on that device; null takes it whatever room it has.</param>
    /// <param name="modules">Where kernels come from; asked when the backend is made.</param>
    /// <param name="load">Gives the driver, or null and why there is none.</param>
    /// <param name="reason">What was chosen and why.</param>
    /// <param name="options">How the device's backend runs; null takes the defaults.</param>
    public static Func<IBackend>? Auto(Func<IBackendSizes, MemoryNeed>? need, Func<IKernelModules> modules, Func<(ICudaDriver? Driver, string Reason)> load, out string reason, CudaBackendOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(load);
        (ICudaDriver? driver, string why) = load();
        if (driver is not null && Fits(driver, need, options, out why))
        {
            reason = $"backend cuda: {why}";
            return () => Create(driver, modules(), options);
        }
        reason = $"backend cpu: {why}";
        return null;
    }

    /// <summary>The installed driver, or null and why there is none.</summary>
    public static (ICudaDriver? Driver, string Reason) LoadDriver() =>
        (CudaDriver.TryLoad(out ICudaDriver? driver, out string reason) ? driver : null, reason);

    /// <summary>Whether the first device can run the kernels and has room.</summary>
    private static bool Fits(ICudaDriver driver, Func<IBackendSizes, MemoryNeed>? need, CudaBackendOptions? options, out string why)
    {
        try
        {
            CudaDeviceInfo device = CudaDeviceInfo.Read(driver, 0);
            if (device.ComputeMajor < OldestMajor)
            {
                why = $"{device.Name} is {device.Target}; the kernels need sm_80.";
                return false;
            }
            using CudaContext context = CudaContext.RetainPrimary(driver);
            long free = context.MemoryInfo().Free;
            MemoryNeed? needed = need?.Invoke(new CudaSizes(DeviceLimits.Read(context), options));
            why = $"{device.Name} has {ByteSize.Text(free)} free{(needed is null ? "" : $"; the model needs {needed}")}.";
            return free >= (needed?.Total ?? 0);
        }
        catch (CudaException e)
        {
            // A broken driver is a reason to take the CPU, as none is.
            why = e.Message;
            return false;
        }
    }
}
