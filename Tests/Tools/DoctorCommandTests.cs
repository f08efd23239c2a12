using System.Text.Json;
using Llama4Kernels.Cli.Commands;
using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Tests.Interop.Cuda;

namespace Llama4Kernels.Tests.Tools;

/// <summary><c>llama4 doctor</c>.</summary>
public class DoctorCommandTests
{
    [Fact]
    public async Task TheTextNamesEveryPart()
    {
        CliRun run = await CliRun.Of("doctor", "--threads", "1");
        Assert.Equal(0, run.ExitCode);
        Assert.Empty(run.Error);
        foreach (string part in new[] { "processor ", "features ", "AVX-512 VNNI", "memory ", "GB/s", "matrix product", "matmul_bf16_scalar: ", ": chosen", "CUDA driver" })
        {
            Assert.Contains(part, run.Out, StringComparison.Ordinal);
        }
        if (!CudaDriver.TryLoad(out _, out string reason))
        {
            Assert.Contains("none: " + reason, run.Out, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task JsonHasTheSameFacts()
    {
        CliRun run = await CliRun.Of("doctor", "--threads", "1", "--json");
        Assert.Equal(0, run.ExitCode);
        JsonElement report = JsonDocument.Parse(run.Out).RootElement;
        Assert.Equal(Environment.ProcessorCount, report.GetProperty("processor").GetProperty("logicalProcessors").GetInt32());
        Assert.Equal(1, report.GetProperty("memory").GetProperty("threads").GetInt32());
        Assert.True(report.GetProperty("memory").GetProperty("readGBs").GetDouble() > 0.1);
        JsonElement[] strategies = [.. report.GetProperty("matrixProduct").EnumerateArray()];
        CpuKernel[] kernels = [.. CpuKernelChoices.List().Where(kernel => kernel is { Weights: "bf16", Operands: nameof(ActivationPrecision.Float32) })];
        Assert.Equal(kernels.Select(kernel => kernel.Name), strategies.Select(s => s.GetProperty("name").GetString()));
        string chosen = CpuKernelChoices.Choose(new GemmDesc(1, 64, 64, WeightFormat.BF16, ActivationPrecision.Float32)).Kernel;
        Assert.Equal(chosen, strategies.Single(s => s.GetProperty("chosen").GetBoolean()).GetProperty("name").GetString());
        Assert.Equal(CudaDriver.TryLoad(out _, out _), report.GetProperty("cuda").GetProperty("version").ValueKind == JsonValueKind.String);
    }

    [Fact]
    public async Task AWrongNumberOfThreadsIsRefused() => (await CliRun.Of("doctor", "--threads", "-1")).AssertFails("--threads");

    [Fact]
    public async Task MoreThreadsThanProcessorsAreCappedWithAWord()
    {
        CliRun run = await CliRun.Of("doctor", "--threads", "100000", "--json");
        Assert.Equal(0, run.ExitCode);
        Assert.Contains($"--threads 100000 is more than the {Environment.ProcessorCount} logical processors", run.Error, StringComparison.Ordinal);
        Assert.Equal(Environment.ProcessorCount, JsonDocument.Parse(run.Out).RootElement.GetProperty("memory").GetProperty("threads").GetInt32());
    }

    [Fact]
    public void DevicesAreListed()
    {
        DoctorCommand.Cuda cuda = DoctorCommand.Cuda.Read(new RecordingDriver());
        Assert.Equal("12.8", cuda.Version);
        var report = new DoctorCommand.Report(
            new("X64", 8, true, false, false, false), new(1L << 30, 4, 1 << 20, 12.34), [new("Scalar", true, null), new("Assembled", false, "no such thing")], cuda);
        string text = report.ToText();
        Assert.Contains("CUDA driver      for CUDA 12.8", text, StringComparison.Ordinal);
        Assert.Contains("device 1         Made-up 1, sm_90, 132 multiprocessors, 80 GiB, 227 KiB shared memory a block, 50 MiB second-level cache", text, StringComparison.Ordinal);
        Assert.Contains("Assembled: no, no such thing", text, StringComparison.Ordinal);
        Assert.Contains("read at 12.3 GB/s", text, StringComparison.Ordinal);
    }

    [Fact]
    public void ABrokenDriverIsReportedNotThrown()
    {
        var driver = new RecordingDriver();
        driver.Fail("DeviceGetName", CudaResult.SystemDriverMismatch);
        DoctorCommand.Cuda cuda = DoctorCommand.Cuda.Read(driver);
        Assert.Null(cuda.Version);
        Assert.Contains("CUDA_ERROR_SYSTEM_DRIVER_MISMATCH (803)", cuda.Reason, StringComparison.Ordinal);
    }
}
