using System.Text.Json;
using Llama4Kernels.Cli.Devices;
using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.PtxEmulator.Driver;

namespace Llama4Kernels.Tests.Tools;

/// <summary><c>llama4 calibrate</c>.</summary>
public class CalibrateCommandTests
{
    [Fact]
    public async Task EveryProbeGivesItsResultOnTheEmulator()
    {
        CliRun run = await CliRun.Of("calibrate", "--emulator", "--json");
        Assert.Equal((0, ""), (run.ExitCode, run.Error));
        JsonElement report = JsonDocument.Parse(run.Out).RootElement;
        Assert.False(report.GetProperty("isTimed").GetBoolean());
        Assert.Equal([4096, 16384, 32768], report.GetProperty("reads").EnumerateArray().Select(read => read.GetProperty("bytesInFlight").GetInt32()));
        Assert.Equal([false, false, false, true, true, true], report.GetProperty("launches").EnumerateArray().Select(gap => gap.GetProperty("isDependentLaunch").GetBoolean()));
        Assert.Equal([false, true], report.GetProperty("matrices").EnumerateArray().Select(rate => rate.GetProperty("decodesInt4").GetBoolean()));
        Assert.All(report.GetProperty("reads").EnumerateArray(), read => Assert.Equal(JsonValueKind.Null, read.GetProperty("gBs").ValueKind));
    }

    [Fact]
    public async Task TheTextSaysWhatWasNotTimed()
    {
        CliRun run = await CliRun.Of("calibrate", "--emulator");
        string[] lines = run.Out.TrimEnd().Split('\n');
        Assert.Equal(11, lines.Length);
        Assert.All(lines, line => Assert.Contains("not timed", line, StringComparison.Ordinal));
    }

    [Fact]
    public void DevicesWithoutDependentLaunchAreAskedForNone()
    {
        using var driver = new EmulatedCudaDriver(new EmulatedDriverOptions { Capability = 80 });
        using var calibration = new Calibration(driver);
        CalibrationReport report = calibration.Run(_ => { }, TestContext.Current.CancellationToken);
        Assert.Equal("sm_80", report.Target);
        Assert.All(report.Launches, gap => Assert.False(gap.IsDependentLaunch));
    }

    [Fact]
    public async Task WithoutADriverItSaysWhatToDo()
    {
        Assert.SkipWhen(CudaDriver.TryLoad(out _, out _), "This machine has a CUDA driver.");
        (await CliRun.Of("calibrate")).AssertFails("--emulator");
    }
}
