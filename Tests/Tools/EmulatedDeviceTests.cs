using Llama4Kernels.Cli.Shared;
using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.PtxEmulator.Driver;
using DeviceLimits = Llama4Kernels.Kernels.Contracts.Cuda.DeviceLimits;

namespace Llama4Kernels.Tests.Tools;

/// <summary><c>--device</c>: which device the emulator is.</summary>
public class EmulatedDeviceTests
{
    [Theory]
    [InlineData("sm_80", 80)]
    [InlineData("sm_86", 86)]
    [InlineData("sm_89", 89)]
    [InlineData("sm_90", 90)]
    [InlineData("sm_100", 100)]
    [InlineData("sm_120", 120)]
    [InlineData("a100", 80)]
    [InlineData("RTX4090", 89)]
    public void ACapabilityOrADeviceNamesIt(string device, int capability) =>
        Assert.Equal(capability, EmulatedDevice.Options(device, isEmulated: true, "--emulator").Capability);

    [Fact]
    public void WithoutANameItIsAnH100() => Assert.Equal(90, EmulatedDevice.Options(null, isEmulated: false, "--emulator").Capability);

    /// <summary>The limits of a block are those that choices of kernels know of the devices of that capability.</summary>
    [Fact]
    public void EachHasItsOwnLimits()
    {
        foreach (DeviceLimits known in DeviceLimits.Known)
        {
            using var driver = new EmulatedCudaDriver(EmulatedDevice.Options(known.Name, isEmulated: true, "--emulator"));
            using CudaContext context = CudaContext.RetainPrimary(driver);
            DeviceLimits limits = DeviceLimits.Read(context);
            Assert.Equal((known.Sm, known.SharedBytes), (limits.Sm, limits.SharedBytes));
        }
    }

    [Theory]
    [InlineData("doctor", "--emulator", "--device", "sm_75")]
    [InlineData("calibrate", "--emulator", "--device", "h1000")]
    [InlineData("generate", "hello", "--backend", "emulator", "--device", "90")]
    public async Task AnUnknownDeviceIsRefusedWithAllThereAre(params string[] arguments) => (await CliRun.Of(arguments)).AssertFails("there are sm_80, sm_86, sm_89, sm_90, sm_100, sm_120, h100");

    [Theory]
    [InlineData("--emulator", "doctor", "--device", "sm_86")]
    [InlineData("--emulator", "calibrate", "--device", "sm_86")]
    [InlineData("--backend emulator", "generate", "hello", "--device", "sm_86")]
    public async Task ADeviceWithoutTheEmulatorIsRefused(string needed, params string[] arguments) => (await CliRun.Of(arguments)).AssertFails(needed);

    [Fact]
    public async Task CalibrationRunsOnAnyOfThem()
    {
        CliRun run = await CliRun.Of("calibrate", "--emulator", "--device", "sm_86", "--json");
        Assert.Equal((0, ""), (run.ExitCode, run.Error));
        Assert.Contains("\"target\": \"sm_86\"", run.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AModelKeepsToItsReferenceOnAnother()
    {
        string model = GoldenFiles.Path("tiny-flat");
        CliRun run = await CliRun.Of("verify", model, "--golden", Path.Combine(model, "golden", "text-5.safetensors"), "--backend", "emulator", "--device", "sm_86");
        Assert.Equal((0, ""), (run.ExitCode, run.Error));
    }

    [Fact]
    public void TheBackendIsOnThatDevice()
    {
        using IBackend backend = BackendArguments.Choose("emulator", _ => new MemoryNeed(1, 1, 1, 1), () => (null, ""), out _, new EmulatedDriverOptions { Capability = 86 })!();
        Assert.Contains("Emulated sm_86, sm_86;", backend.Description, StringComparison.Ordinal);
    }
}
