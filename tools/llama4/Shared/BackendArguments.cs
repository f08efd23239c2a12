using System.CommandLine;
using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Backends.Cuda;
using Llama4Kernels.PtxEmulator.Driver;

namespace Llama4Kernels.Cli.Shared;

/// <summary>The option that says where a model runs, and the backends behind it.</summary>
internal sealed class BackendArguments
{
    /// <summary>The oldest devices that kernels are compiled for: sm_80.</summary>
    private const int OldestMajor = 8;

    private readonly Option<string> _backend = new("--backend")
    {
        Description = "Where to run: cpu, cuda, emulator (device kernels without a device: slow, for checks) or auto (cuda if there is a device with room for the model, else cpu).",
        DefaultValueFactory = _ => "auto",
    };

    public void AddTo(Command command)
    {
        _backend.AcceptOnlyFromAmong("cpu", "cuda", "emulator", "auto");
        command.Add(_backend);
    }

    /// <summary>Whether the emulator was demanded.</summary>
    public bool IsEmulator(ParseResult parsed) => parsed.GetRequiredValue(_backend) == "emulator";

    /// <summary>Makes the wanted backend; null for the CPU.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="folder">The checkpoint, whose size decides in mode auto.</param>
    /// <param name="reason">What was chosen and why, as a line for people.</param>
    /// <exception cref="ArgumentException">There is no usable CUDA device, and one was demanded.</exception>
    public Func<IBackend>? Choose(ParseResult parsed, string folder, out string reason) =>
        Choose(parsed.GetRequiredValue(_backend), CheckpointBytes(folder), TryLoadDriver, out reason);

    internal static Func<IBackend>? Choose(string backend, long bytes, Func<(ICudaDriver? Driver, string Reason)> load, out string reason)
    {
        switch (backend)
        {
            case "cpu":
                reason = "backend cpu: demanded";
                return null;
            case "emulator":
                reason = "backend emulator: demanded";
                return CreateEmulator;
        }
        (ICudaDriver? driver, string why) = load();
        if (driver is not null && TryFit(driver, backend == "auto" ? bytes : 0, out why))
        {
            reason = $"backend cuda: {why}";
            return () => CreateCuda(driver);
        }
        if (backend == "cuda")
        {
            throw new ArgumentException($"--backend cuda: {why}");
        }
        reason = $"backend cpu: {why}";
        return null;
    }

    private static (ICudaDriver? Driver, string Reason) TryLoadDriver() =>
        (CudaDriver.TryLoad(out ICudaDriver? driver, out string reason) ? driver : null, reason);

    /// <summary>Whether the first device can run the kernels and has room; a tenth more than the weights for everything else.</summary>
    private static bool TryFit(ICudaDriver driver, long bytes, out string why)
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
            long free = context.MemoryInfo().Free, needed = bytes + bytes / 10;
            why = free >= needed
                ? $"{device.Name} has {MemoryEstimate.Text(free)} free."
                : $"{device.Name} has {MemoryEstimate.Text(free)} free; the model needs about {MemoryEstimate.Text(needed)}.";
            return free >= needed;
        }
        catch (CudaException e)
        {
            why = e.Message;
            return false;
        }
    }

    private static CudaBackend CreateCuda(ICudaDriver driver) =>
        Create(driver, new CudaBackendOptions());

    private static CudaBackend CreateEmulator() =>
        // Emulated memory is host memory, twice: small pieces.
        Create(new EmulatedCudaDriver(), new CudaBackendOptions { ArenaBytes = 8L << 20, StagingBytes = 2L << 20 });

    private static CudaBackend Create(ICudaDriver driver, CudaBackendOptions options)
    {
        CudaContext context = CudaContext.RetainPrimary(driver);
        try
        {
            return new CudaBackend(context, DeviceModules.Find(), options, ownsContext: true);
        }
        catch
        {
            context.Dispose();
            throw;
        }
    }

    private static long CheckpointBytes(string folder) =>
        Directory.Exists(folder) ? Directory.EnumerateFiles(folder, "*.safetensors").Sum(file => new FileInfo(file).Length) : 0;
}
