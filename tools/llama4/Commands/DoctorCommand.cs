using System.CommandLine;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using System.Text;
using Llama4Kernels.Cli.Devices;
using Llama4Kernels.Cli.Shared;
using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.Interop.Memory;
using Llama4Kernels.Kernels.Assembly;
using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.Kernels.Threading;
using Llama4Kernels.PtxEmulator.Driver;

namespace Llama4Kernels.Cli.Commands;

/// <summary><c>doctor</c>: what this machine has and what the engine makes of it.</summary>
internal static class DoctorCommand
{
    /// <summary>Larger than the caches of most processors, small enough to be there.</summary>
    private const long ProbeMaxBytes = 512L << 20;

    public static Command Create(CommandConsole console)
    {
        var json = new Option<bool>("--json") { Description = "Print JSON." };
        var threads = ThreadArgument.New("Threads that read memory", 0, "-t");
        var emulator = new Option<bool>("--emulator") { Description = "Check the device kernels on the emulator, with or without a device." };
        var device = new EmulatedDevice();
        var command = new Command("doctor", "Prints what this machine has: processor features, memory and its speed, CUDA driver and devices; with a device, how its compiler takes every kernel and whether each operation gives what the CPU gives, in which time. Exit code 1 if a kernel fails.") { threads, emulator, json };
        device.AddTo(command);
        command.SetAction((parsed, cancellation) =>
        {
            int wanted = ThreadArgument.Check(parsed.GetValue(threads), console);
            EmulatedDriverOptions options = device.Options(parsed, parsed.GetValue(emulator), "--emulator");
            bool found = CudaDriver.TryLoad(out ICudaDriver? driver, out string reason);
            Cuda cuda = found ? Cuda.Read(driver!) : Cuda.Missing(reason);
            var report = new Report(Processor.Read(), Memory.Measure(wanted), Strategies(), cuda);
            bool text = !parsed.GetValue(json);
            if (text)
            {
                console.Out.WriteLine(report.ToText());
            }
            bool good = true;
            if (parsed.GetValue(emulator))
            {
                using var emulated = new EmulatedCudaDriver(options);
                (report, good) = Check(report, emulated, text, console, cancellation);
            }
            else if (cuda.Devices.Count > 0)
            {
                (report, good) = Check(report, driver!, text, console, cancellation);
            }
            if (!text)
            {
                ReportJson.Write(console, report);
            }
            return Task.FromResult(good ? 0 : CommandLine.Differs);
        });
        return command;
    }

    /// <summary>Loads every module and runs every operation; prints each as it comes, since a device may hang.</summary>
    private static (Report Report, bool Good) Check(Report report, ICudaDriver driver, bool text, CommandConsole console, CancellationToken cancellation)
    {
        var check = new DeviceCheck(driver, DeviceModules.Find());
        List<ModuleReport> modules = [];
        List<OperationReport> operations = [];
        foreach (ModuleReport module in check.Modules(cancellation))
        {
            modules.Add(module);
            Print(text, console, module.Name, module.IsGood, module.Error ?? string.Create(CultureInfo.InvariantCulture, $"{module.Registers} registers, {module.LocalBytes} bytes spilled, {module.SharedBytes} bytes of shared memory{(module.Log.Length > 0 && driver is not EmulatedCudaDriver ? Environment.NewLine + module.Log : "")}"));
        }
        foreach (OperationReport operation in check.Operations(cancellation))
        {
            operations.Add(operation);
            Print(text, console, operation.Name, operation.IsGood, operation.Failure ?? Measure(operation));
        }
        List<ProductReport> products = [];
        ReadFigures figures = Figures(driver, cancellation);
        Say(text, console, $"products of the published models, predicted with {figures.Source} read rates{(driver is EmulatedCudaDriver ? "; on the emulator smaller than theirs, not timed" : "")}");
        IKernelModules kernels = DeviceModules.Find();
        foreach (ProductReport product in new ProductTiming(driver, kernels, figures).Run(cancellation).Concat(new ExpertTiming(driver, kernels, figures).Run(cancellation)))
        {
            products.Add(product);
            Print(text, console, string.Create(CultureInfo.InvariantCulture, $"{product.Product} {product.Outputs} x {product.Inner} {product.Weights}, {product.Rows} rows"), product.IsGood, Measure(product));
        }
        return (report with { Modules = modules, Operations = operations, Reads = figures, Products = products },
            modules.All(module => module.IsGood) && operations.All(operation => operation.IsGood) && products.All(product => product.IsGood));
    }

    /// <summary>A device's own rates, measured now; the emulator has none.</summary>
    private static ReadFigures Figures(ICudaDriver driver, CancellationToken cancellation)
    {
        if (driver is EmulatedCudaDriver)
        {
            return ReadFigures.Assumed;
        }
        using var calibration = new Calibration(driver);
        return ReadFigures.Of(calibration.Run(_ => { }, cancellation), CudaDeviceInfo.Read(driver, 0).Multiprocessors);
    }

    private static string Measure(ProductReport product)
    {
        string measured = product.MeasuredMicroseconds is double time ? string.Create(CultureInfo.InvariantCulture, $"{time:F1} us measured over {product.Launches} launches, {product.MeasuredGBs:F0} GB/s of weights, ") : "";
        return string.Create(CultureInfo.InvariantCulture, $"{product.Kernel}: {measured}{product.PredictedMicroseconds:F1} us predicted for reading {product.WeightBytes / 1e6:F1} MB with {product.BytesInFlight >> 10} KiB under way a multiprocessor; differs by {product.Error:E1} (allowed {product.Tolerance:E0})");
    }

    private static void Say(bool text, CommandConsole console, string line)
    {
        if (text)
        {
            console.Out.WriteLine(line);
        }
    }

    private static string Measure(OperationReport operation)
    {
        string measured = operation.MeasuredMicroseconds is double time ? string.Create(CultureInfo.InvariantCulture, $"{time:F1} us measured, ") : "";
        return string.Create(CultureInfo.InvariantCulture, $"differs by {operation.Error:E1} of the range (allowed {operation.Tolerance:E0}); {measured}{operation.PredictedMicroseconds:F1} us predicted on an H100 ({operation.Bound})");
    }

    private static void Print(bool text, CommandConsole console, string name, bool good, string what)
    {
        if (text)
        {
            console.Out.WriteLine($"{(good ? "ok    " : "FAILED")} {name,-42} {what}");
        }
    }

    private static Strategy[] Strategies()
    {
        CpuKernel[] all = [.. CpuKernelChoices.List().Where(kernel => kernel is { Weights: "bf16", Operands: nameof(ActivationPrecision.Float32) })];
        return [.. all.Select(kernel => new Strategy(kernel.Name, kernel == all.First(other => other.Lacks is null), kernel.Lacks))];
    }

    /// <summary>The processor as the kernels see it.</summary>
    internal sealed record Processor(string Architecture, int LogicalProcessors, bool Avx2, bool Avx512, bool Avx512Bf16, bool Avx512Vnni)
    {
        public static Processor Read() => new(
            RuntimeInformation.ProcessArchitecture.ToString(),
            Environment.ProcessorCount,
            System.Runtime.Intrinsics.X86.Avx2.IsSupported,
            CpuFeatures.Avx512,
            CpuFeatures.Avx512Bf16,
            CpuFeatures.Avx512 && (X86Base.CpuId(7, 0).Ecx & (1 << 11)) != 0);
    }

    /// <summary>Memory that this process may use, and how fast it is read.</summary>
    internal sealed record Memory(long AvailableBytes, int Threads, long ProbeBytes, double ReadGBs)
    {
        public static Memory Measure(int threads)
        {
            long available = ProcessMemory.Usable();
            long probe = Math.Min(ProbeMaxBytes, available / 8);
            using var team = new ThreadTeam(threads);
            return new Memory(available, team.Threads, probe, ReadBandwidth.Measure(team, probe, repeats: 2) / 1e9);
        }
    }

    /// <summary>An implementation of the product with bfloat16 weights: the chosen one, a possible one, or one with a reason against it.</summary>
    internal sealed record Strategy(string Name, bool Chosen, string? Reason);

    /// <summary>The CUDA driver and its devices, or why there is none or why it fails.</summary>
    internal sealed record Cuda(string? Version, string? Reason, IReadOnlyList<CudaDeviceInfo> Devices)
    {
        public static Cuda Missing(string reason) => new(null, reason, []);

        public static Cuda Read(ICudaDriver driver)
        {
            try
            {
                CudaResult result = driver.DriverGetVersion(out int version);
                string text = result == CudaResult.Success ? $"{version / 1000}.{version % 1000 / 10}" : throw new CudaException(result, "cuDriverGetVersion");
                return new Cuda(text, null, CudaDeviceInfo.List(driver));
            }
            catch (CudaException e)
            {
                // A doctor reports a broken driver and goes on.
                return Missing(e.Message);
            }
        }
    }

    internal sealed record Report(Processor Processor, Memory Memory, IReadOnlyList<Strategy> MatrixProduct, Cuda Cuda)
    {
        /// <summary>Every kernel's module on the device that was checked.</summary>
        public IReadOnlyList<ModuleReport> Modules { get; init; } = [];

        /// <summary>Every operation on the device that was checked.</summary>
        public IReadOnlyList<OperationReport> Operations { get; init; } = [];

        /// <summary>How fast the device reads by the bytes under way, and its launch gaps: what predictions of products take; null without a check.</summary>
        public ReadFigures? Reads { get; init; }

        /// <summary>Products at the shapes of the published models.</summary>
        public IReadOnlyList<ProductReport> Products { get; init; } = [];

        public string ToText()
        {
            var text = new StringBuilder();
            void Line(string name, FormattableString value) => text.AppendLine(CultureInfo.InvariantCulture, $"{name,-16} {value.ToString(CultureInfo.InvariantCulture)}");
            Line("processor", $"{Processor.Architecture}, {Processor.LogicalProcessors} logical processors, {Memory.Threads} threads used");
            Line("features", $"AVX2 {YesNo(Processor.Avx2)}, AVX-512 {YesNo(Processor.Avx512)}, AVX-512 BF16 {YesNo(Processor.Avx512Bf16)}, AVX-512 VNNI {YesNo(Processor.Avx512Vnni)}");
            Line("memory", $"{ByteSize.Text(Memory.AvailableBytes)} for this process, read at {Memory.ReadGBs:F1} GB/s (measured now on {ByteSize.Text(Memory.ProbeBytes)})");
            foreach (Strategy strategy in MatrixProduct)
            {
                Line("matrix product", $"{strategy.Name}: {(strategy.Chosen ? "chosen" : strategy.Reason is string reason ? "no, " + reason : "possible")}");
            }
            Line("CUDA driver", $"{(Cuda.Version is string version ? $"for CUDA {version}" : "none: " + Cuda.Reason)}");
            foreach (CudaDeviceInfo device in Cuda.Devices)
            {
                Line($"device {device.Ordinal}", $"{device.Name}, {device.Target}, {device.Multiprocessors} multiprocessors, {ByteSize.Text(device.MemoryBytes)}, {ByteSize.Text(device.SharedBytesPerBlock)} shared memory a block, {ByteSize.Text(device.L2Bytes)} second-level cache");
            }
            return text.ToString().TrimEnd();
        }

        private static string YesNo(bool value) => value ? "yes" : "no";
    }
}
