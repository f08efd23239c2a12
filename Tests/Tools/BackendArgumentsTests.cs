using Llama4Kernels.Cli.Shared;
using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.PtxEmulator.Driver;

namespace Llama4Kernels.Tests.Tools;

/// <summary><c>--backend</c> and <c>llama4 kernels</c>.</summary>
public class BackendArgumentsTests
{
    private static readonly Func<(ICudaDriver?, string)> s_none = () => (null, "there is no driver.");

    [Fact]
    public void AutoTakesADeviceThatHasRoom()
    {
        using var driver = new EmulatedCudaDriver(new EmulatedDriverOptions { MemoryBytes = 1 << 20 });
        Assert.NotNull(BackendArguments.Choose("auto", Need(900_000), () => (driver, ""), out string reason));
        Assert.Equal("backend cuda: Emulated sm_90 has 1 MiB free; the model needs 976.17 KiB: weights 878.91 KiB, steps 48.83 KiB, a cache of 7 tokens 29.3 KiB.", reason);
        Assert.Null(BackendArguments.Choose("auto", Need(1_000_000), () => (driver, ""), out reason));
        Assert.StartsWith("backend cpu: Emulated sm_90 has 1 MiB free; the model needs 1.05 MiB: weights 976.56 KiB,", reason, StringComparison.Ordinal);
        // Who demands it gets it, and nobody measures the model.
        Assert.NotNull(BackendArguments.Choose("cuda", _ => throw new InvalidOperationException("must not be asked"), () => (driver, ""), out _));
        Assert.Equal(0, driver.LiveResources);
    }

    private static Func<IBackendSizes, MemoryNeed> Need(long weights) => _ => new MemoryNeed(weights, 50_000, 30_000, 7);

    [Fact]
    public void WithoutADriverItIsTheCpu()
    {
        Assert.Null(BackendArguments.Choose("auto", Need(1), s_none, out string reason));
        Assert.Equal("backend cpu: there is no driver.", reason);
        Assert.Contains("there is no driver", Assert.Throws<ArgumentException>(() => BackendArguments.Choose("cuda", Need(1), s_none, out _)).Message);
        Assert.Null(BackendArguments.Choose("cpu", Need(1), () => throw new InvalidOperationException("must not be asked"), out reason));
        Assert.Equal("backend cpu: demanded", reason);
    }

    [Fact]
    public void TheEmulatorIsABackend()
    {
        using IBackend backend = BackendArguments.Choose("emulator", Need(1), s_none, out string reason)!();
        Assert.Equal("backend emulator: demanded", reason);
        Assert.Contains("PTX emulator", backend.Description, StringComparison.Ordinal);
    }

    [Fact]
    public void ABrokenDriverIsAReason()
    {
        var driver = new Interop.Cuda.RecordingDriver();
        driver.Fail("DevicePrimaryCtxRetain", CudaResult.SystemNotReady);
        Assert.Null(BackendArguments.Choose("auto", Need(1), () => (driver, ""), out string reason));
        Assert.Contains("CUDA_ERROR_SYSTEM_NOT_READY", reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AnUnknownBackendIsRefused() =>
        (await CliRun.Of("logits", GoldenFiles.Path("tiny-scout"), "--tokens", "1", "--out", "x", "--backend", "gpu")).AssertFails("gpu");

    [Fact]
    public async Task KernelsAreListed()
    {
        CliRun run = await CliRun.Of("kernels");
        Assert.Equal(0, run.ExitCode);
        Assert.Contains("attention_split_bf16", run.Out, StringComparison.Ordinal);
        Assert.DoesNotContain("missing", run.Out, StringComparison.Ordinal);
        Assert.StartsWith("[", (await CliRun.Of("kernels", "--json")).Out.TrimStart(), StringComparison.Ordinal);
    }
}
