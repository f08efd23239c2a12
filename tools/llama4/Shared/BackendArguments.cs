using System.CommandLine;
using Llama4Kernels.Engine;
using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Backends.Cuda;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.PtxEmulator.Driver;

namespace Llama4Kernels.Cli.Shared;

/// <summary>The option that says where a model runs, and the backends behind it.</summary>
internal sealed class BackendArguments
{
    private readonly Option<string> _backend = new("--backend")
    {
        Description = "Where to run: cpu, cuda, emulator (device kernels without a device: slow, for checks) or auto (cuda if there is a device with room for the packed weights, the cache and the activations, else cpu).",
        DefaultValueFactory = _ => "auto",
    };

    private readonly EmulatedDevice _device = new();

    public void AddTo(Command command)
    {
        _device.AddTo(command);
        _backend.AcceptOnlyFromAmong("cpu", "cuda", "emulator", "auto");
        command.Add(_backend);
    }

    /// <summary>Whether the emulator was demanded.</summary>
    public bool IsEmulator(ParseResult parsed) => parsed.GetRequiredValue(_backend) == "emulator";

    /// <summary>Whether the machine decides.</summary>
    public bool IsAuto(ParseResult parsed) => parsed.GetRequiredValue(_backend) == "auto";

    /// <summary>Makes the wanted backend; null for the CPU.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="need">What the model takes, which decides in mode auto.</param>
    /// <param name="precision">How far activations are rounded.</param>
    /// <param name="reason">What was chosen and why, as a line for people.</param>
    /// <exception cref="ArgumentException">There is no usable CUDA device, and one was demanded; or --device does not fit.</exception>
    /// <exception cref="Engine.ModelFormatException">The checkpoint had to be looked at, and is malformed.</exception>
    public Func<IBackend>? Choose(ParseResult parsed, Func<IBackendSizes, MemoryNeed> need, ActivationPrecision precision, out string reason) =>
        Choose(parsed.GetRequiredValue(_backend), need, CudaBackendChoice.LoadDriver, out reason, _device.Options(parsed, IsEmulator(parsed), "--backend emulator"), precision);

    internal static Func<IBackend>? Choose(
        string backend, Func<IBackendSizes, MemoryNeed> need, Func<(ICudaDriver? Driver, string Reason)> load, out string reason, EmulatedDriverOptions? emulated = null, ActivationPrecision precision = ActivationPrecision.Float32)
    {
        switch (backend)
        {
            case "cpu":
                reason = "backend cpu: demanded";
                return null;
            case "emulator":
                reason = "backend emulator: demanded";
                return () => CreateEmulator(emulated ?? new EmulatedDriverOptions(), precision);
        }
        // Who demands a device gets it, whatever room it has.
        Func<IBackend>? create = CudaBackendChoice.Auto(backend == "auto" ? need : null, DeviceModules.Find, load, out reason, new CudaBackendOptions { Precision = precision });
        return create is null && backend == "cuda"
            ? throw new ArgumentException($"--backend cuda is not possible; {reason}")
            : create;
    }

    private static CudaBackend CreateEmulator(EmulatedDriverOptions emulated, ActivationPrecision precision) =>
        // Emulated memory is host memory, twice: small pieces.
        CudaBackendChoice.Create(new EmulatedCudaDriver(emulated), DeviceModules.Find(), new CudaBackendOptions { ArenaBytes = 8L << 20, StagingBytes = 2L << 20, Precision = precision });
}
