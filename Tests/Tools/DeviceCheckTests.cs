using Llama4Kernels.Cli.Devices;
using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.Kernels.Ptx;
using Llama4Kernels.PtxEmulator.Driver;
using Llama4Kernels.Tests.Kernels.Backends.Cuda;

namespace Llama4Kernels.Tests.Tools;

/// <summary>The device part of the doctor, with the emulator as the device.</summary>
public sealed class DeviceCheckTests
{
    [Fact]
    public void EveryModuleLoadsAndEveryOperationAgrees()
    {
        using var driver = new EmulatedCudaDriver();
        var check = new DeviceCheck(driver, EmulatedBackend.Modules);
        ModuleReport[] modules = [.. check.Modules(TestContext.Current.CancellationToken)];
        OperationReport[] operations = [.. check.Operations(TestContext.Current.CancellationToken)];
        Assert.Equal(EmulatedBackend.Modules.Names.Concat(PtxKernelModules.All.Names).Order(StringComparer.Ordinal), modules.Select(module => module.Name));
        Assert.All(modules, module => Assert.True(module.IsGood && module.Registers > 0, module.ToString()));
        Assert.Equal(OperationProbe.All.Count, operations.Length);
        Assert.All(operations, operation => Assert.True(operation.IsGood && operation.PredictedMicroseconds > 1, operation.ToString()));
        Assert.Equal(0, driver.LiveResources);
    }

    [Fact]
    public void AWrongKernelAndOneThatDoesNotLoadAreReported()
    {
        using var driver = new EmulatedCudaDriver();
        var check = new DeviceCheck(driver, new Spoiled());
        ModuleReport gelu = check.Modules(TestContext.Current.CancellationToken).Single(module => module.Name == "gelu");
        Assert.False(gelu.IsGood);
        Assert.Contains("line ", gelu.Error, StringComparison.Ordinal);
        Dictionary<string, OperationReport> operations = check.Operations(TestContext.Current.CancellationToken).ToDictionary(operation => operation.Name);
        Assert.Contains("INVALID_PTX", operations["gelu 10 x 704"].Failure, StringComparison.Ordinal);
        OperationReport norm = operations["layer norm 10 x 704"];
        Assert.True(norm.Failure is null && norm.Error > norm.Tolerance, norm.ToString());
        Assert.True(operations["rms norm 9 x 1280"].IsGood);
    }

    [Fact]
    public async Task DumpWritesModulesThatTheCheckerAccepts()
    {
        using var scratch = new ScratchFolder();
        CliRun dump = await CliRun.Of("ptx", "dump", "--out", scratch.Path("dump"), "--sm", "89");
        Assert.Equal(0, dump.ExitCode);
        string[] files = Directory.GetFiles(scratch.Path("dump"), "*.sm_89.ptx");
        Assert.Equal(EmulatedBackend.Modules.Names.Count, files.Length);
        Assert.Equal(PtxKernelModules.All.Names.Select(name => $"{name}.sm_80.ptx"), Directory.GetFiles(scratch.Path("dump"), "*.sm_80.ptx").Select(Path.GetFileName).Order(StringComparer.Ordinal));
        Assert.All(files, file => Assert.Equal("// target: sm_89", File.ReadLines(file).First()));
        CliRun check = await CliRun.Of("ptx", "check", scratch.Path("dump"));
        Assert.Equal(0, check.ExitCode);
        Assert.Contains("0 errors", check.Out, StringComparison.Ordinal);
        CliRun unknown = await CliRun.Of("ptx", "dump", "--out", scratch.Path("dump"), "--sm", "70");
        Assert.NotEqual(0, unknown.ExitCode);
        Assert.Contains("sm_80", unknown.Error, StringComparison.Ordinal);
    }

    /// <summary>One kernel is no PTX, another multiplies where it should add.</summary>
    private sealed class Spoiled : IKernelModules
    {
        public IReadOnlyList<string> Names => EmulatedBackend.Modules.Names;

        public KernelModule Get(string name, int sm)
        {
            KernelModule module = EmulatedBackend.Modules.Get(name, sm);
            return name switch
            {
                "gelu" => module with { Text = module.Text.Replace("mul.f32", "mull.f32", StringComparison.Ordinal).Replace(".reg", ".regs", StringComparison.Ordinal) },
                "layer_norm" => module with { Text = module.Text.Replace("add.f32", "mul.f32", StringComparison.Ordinal) },
                _ => module,
            };
        }
    }
}
