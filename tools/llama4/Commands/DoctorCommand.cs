using System.CommandLine;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using System.Text;
using System.Text.Json;
using Llama4Kernels.Cli.Shared;
using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.Kernels.Assembly;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Cli.Commands;

/// <summary><c>doctor</c>: what this machine has and what the engine makes of it.</summary>
internal static class DoctorCommand
{
    private static readonly JsonSerializerOptions s_json = new() { WriteIndented = true, PropertyNamingPolicy = JsonNamingPolicy.CamelCase };

    /// <summary>Larger than the caches of most processors, small enough to be there.</summary>
    private const long ProbeMaxBytes = 512L << 20;

    public static Command Create(CommandConsole console)
    {
        var json = new Option<bool>("--json") { Description = "Print JSON." };
        var threads = new Option<int>("--threads", "-t") { Description = "Threads that read; 0 is the engine's own choice.", DefaultValueFactory = _ => 0 };
        var command = new Command("doctor", "Prints what this machine has: processor features, memory and its speed, CUDA driver and devices.") { threads, json };
        command.SetAction(parsed =>
        {
            int wanted = parsed.GetValue(threads);
            if (wanted < 0)
            {
                throw new ArgumentException("--threads must be 0 or more.");
            }
            bool found = CudaDriver.TryLoad(out ICudaDriver? driver, out string reason);
            var report = new Report(Processor.Read(), Memory.Measure(wanted), Strategies(), found ? Cuda.Read(driver!) : Cuda.Missing(reason));
            console.Out.WriteLine(parsed.GetValue(json) ? JsonSerializer.Serialize(report, s_json) : report.ToText());
            return 0;
        });
        return command;
    }

    private static Strategy[] Strategies()
    {
        IReadOnlyList<(MatMulStrategy Strategy, string? Reason)> all = MatMul.Strategies();
        string chosen = all.First(s => s.Reason is null).Strategy.ToString();
        return [.. all.Select(s => new Strategy(s.Strategy.ToString(), s.Strategy.ToString() == chosen, s.Reason))];
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
            long available = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
            long probe = Math.Min(ProbeMaxBytes, available / 8);
            using var team = new ThreadTeam(threads);
            return new Memory(available, team.Threads, probe, ReadBandwidth.Measure(team, probe, repeats: 2) / 1e9);
        }
    }

    /// <summary>An implementation of the matrix product: the chosen one, a possible one, or one with a reason against it.</summary>
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
        public string ToText()
        {
            var text = new StringBuilder();
            void Line(string name, FormattableString value) => text.AppendLine(CultureInfo.InvariantCulture, $"{name,-16} {value.ToString(CultureInfo.InvariantCulture)}");
            Line("processor", $"{Processor.Architecture}, {Processor.LogicalProcessors} logical processors, {Memory.Threads} threads used");
            Line("features", $"AVX2 {YesNo(Processor.Avx2)}, AVX-512 {YesNo(Processor.Avx512)}, AVX-512 BF16 {YesNo(Processor.Avx512Bf16)}, AVX-512 VNNI {YesNo(Processor.Avx512Vnni)}");
            Line("memory", $"{MemoryEstimate.Text(Memory.AvailableBytes)} for this process, read at {Memory.ReadGBs:F1} GB/s (measured now on {MemoryEstimate.Text(Memory.ProbeBytes)})");
            foreach (Strategy strategy in MatrixProduct)
            {
                Line("matrix product", $"{strategy.Name}: {(strategy.Chosen ? "chosen" : strategy.Reason is string reason ? "no, " + reason : "possible")}");
            }
            Line("CUDA driver", $"{(Cuda.Version is string version ? $"for CUDA {version}" : "none: " + Cuda.Reason)}");
            foreach (CudaDeviceInfo device in Cuda.Devices)
            {
                Line($"device {device.Ordinal}", $"{device.Name}, {device.Target}, {device.Multiprocessors} multiprocessors, {MemoryEstimate.Text(device.MemoryBytes)}, {MemoryEstimate.Text(device.SharedBytesPerBlock)} shared memory a block, {MemoryEstimate.Text(device.L2Bytes)} second-level cache");
            }
            return text.ToString().TrimEnd();
        }

        private static string YesNo(bool value) => value ? "yes" : "no";
    }
}
