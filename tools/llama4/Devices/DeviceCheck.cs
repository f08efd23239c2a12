using System.Diagnostics;
using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Backends.Cuda;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.Kernels.Ptx;
using Llama4Kernels.PtxEmulator.Counting;
using Llama4Kernels.PtxEmulator.Driver;
using Llama4Kernels.PtxEmulator.Execution;

namespace Llama4Kernels.Cli.Devices;

/// <summary>A module as the driver's compiler took it.</summary>
/// <param name="Name">The kernel.</param>
/// <param name="Registers">Registers of a thread.</param>
/// <param name="LocalBytes">Bytes of a thread's local memory: spills, since no kernel declares any.</param>
/// <param name="SharedBytes">Static shared memory of a block.</param>
/// <param name="Log">What the compiler wrote.</param>
/// <param name="Error">Why it does not load, or null.</param>
internal sealed record ModuleReport(string Name, int Registers, int LocalBytes, int SharedBytes, string Log, string? Error)
{
    public bool IsGood => Error is null && LocalBytes == 0;
}

/// <summary>An operation on the device against the same on the CPU.</summary>
/// <param name="Name">The operation and its size.</param>
/// <param name="Error">Largest difference as a share of the output's range.</param>
/// <param name="Tolerance">What is allowed.</param>
/// <param name="MeasuredMicroseconds">Time of a run on the device, host work included; null on the emulator.</param>
/// <param name="PredictedMicroseconds">Time that the model predicts for an H100; null if it was not asked for.</param>
/// <param name="Bound">The model's term that decides.</param>
/// <param name="Failure">What went wrong, or null.</param>
internal sealed record OperationReport(string Name, double Error, double Tolerance, double? MeasuredMicroseconds, double? PredictedMicroseconds, string? Bound, string? Failure)
{
    public bool IsGood => Failure is null && Error <= Tolerance;
}

/// <summary>Loads every module on a device and runs every operation on it, on the CPU and, for a prediction, on the emulator.</summary>
internal sealed class DeviceCheck(ICudaDriver driver, IKernelModules modules)
{
    private const int Repeats = 50;

    /// <summary>Registers of a thread that the prediction assumes for how many blocks fit: what is declared says too much.</summary>
    private const int AssumedRegisters = 64;

    private static readonly CudaBackendOptions s_small = new() { ArenaBytes = 8L << 20, StagingBytes = 2L << 20 };

    private bool IsEmulated => driver is EmulatedCudaDriver;

    public IEnumerable<ModuleReport> Modules(CancellationToken cancellation)
    {
        using CudaContext context = CudaContext.RetainPrimary(driver);
        int sm = (10 * context.Attribute(CudaDeviceAttribute.ComputeCapabilityMajor)) + context.Attribute(CudaDeviceAttribute.ComputeCapabilityMinor);
        var all = new CombinedKernelModules(PtxKernelModules.All, modules);
        foreach (string name in all.Names)
        {
            cancellation.ThrowIfCancellationRequested();
            yield return Load(context, all, name, sm);
        }
    }

    public IEnumerable<OperationReport> Operations(CancellationToken cancellation)
    {
        using var cpu = new CpuBackend();
        foreach (IGrouping<ActivationPrecision, OperationProbe> probes in OperationProbe.All.GroupBy(probe => probe.Precision))
        {
            using var recording = new EmulatedCudaDriver(new EmulatedDriverOptions { RecordLaunches = true, Launch = new LaunchOptions { CountMemory = true } });
            using CudaBackend model = Backend(recording, probes.Key);
            using CudaBackend device = Backend(driver, probes.Key);
            foreach (OperationProbe probe in probes)
            {
                cancellation.ThrowIfCancellationRequested();
                yield return Run(probe, cpu, device, model, recording);
            }
        }
    }

    private CudaBackend Backend(ICudaDriver on, ActivationPrecision precision) => new(CudaContext.RetainPrimary(on), modules, s_small with { Precision = precision }, ownsContext: true);

    private static ModuleReport Load(CudaContext context, CombinedKernelModules all, string name, int sm)
    {
        try
        {
            KernelModule text = all.Get(name, sm);
            using CudaModule module = CudaModule.Load(context, text.Text, new CudaJitOptions { Verbose = true });
            CudaFunction function = module.GetFunction(text.Name);
            return new ModuleReport(name, function.Attribute(CudaFunctionAttribute.RegisterCount), function.Attribute(CudaFunctionAttribute.LocalSizeBytes), function.Attribute(CudaFunctionAttribute.SharedSizeBytes), module.Log.Information.Trim(), null);
        }
        catch (CudaException e)
        {
            // The report is what the caller wants: every module, the good ones and the others.
            return new ModuleReport(name, 0, 0, 0, "", e.Message);
        }
    }

    private OperationReport Run(OperationProbe probe, IBackend cpu, CudaBackend device, CudaBackend model, EmulatedCudaDriver recording)
    {
        float[] expected = Once(probe, cpu);
        try
        {
            (float[] actual, double? measured) = OnDevice(probe, device);
            (double predicted, string bound) = Predict(probe, model, recording);
            float range = expected.Max() - expected.Min();
            double error = expected.Zip(actual, (a, b) => float.IsNaN(b) ? double.PositiveInfinity : Math.Abs((double)a - b)).Max() / range;
            return new OperationReport(probe.Name, error, probe.Tolerance, measured, predicted * 1e6, bound, null);
        }
        catch (CudaException e)
        {
            return new OperationReport(probe.Name, 0, probe.Tolerance, null, null, null, e.Message);
        }
    }

    private static float[] Once(OperationProbe probe, IBackend backend)
    {
        using var scope = new ProbeScope(backend);
        PreparedProbe prepared = probe.Prepare(scope);
        prepared.Run();
        return scope.Read(prepared.Output);
    }

    private (float[] Output, double? Microseconds) OnDevice(OperationProbe probe, CudaBackend device)
    {
        using var scope = new ProbeScope(device);
        PreparedProbe prepared = probe.Prepare(scope);
        prepared.Run();
        float[] output = scope.Read(prepared.Output);
        if (IsEmulated)
        {
            return (output, null);
        }
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < Repeats; i++)
        {
            prepared.Run();
        }
        scope.Read(prepared.Output);
        return (output, Stopwatch.GetElapsedTime(start).TotalMicroseconds / Repeats);
    }

    private static (double Seconds, string Bound) Predict(OperationProbe probe, CudaBackend model, EmulatedCudaDriver recording)
    {
        using var scope = new ProbeScope(model);
        PreparedProbe prepared = probe.Prepare(scope);
        int before = recording.Launches.Count;
        prepared.Run();
        // Reading waits, so that everything was launched.
        scope.Read(prepared.Output);
        TimePrediction[] launches = [.. recording.Launches.Skip(before).Select(launch => TimeModel.Predict(new LaunchProfile(launch.Counters).Work(
            new KernelWork { Blocks = launch.Grid.Count, ResidentBlocks = Hopper.ResidentBlocks((int)launch.Block.Count, AssumedRegisters, 0) },
            probe.Bytes)))];
        return (launches.Sum(launch => launch.Total), launches.MaxBy(launch => launch.Total)!.Bound);
    }
}
