using System.Text.Json;
using Llama4Kernels.Cli.Devices;
using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.Kernels.Ptx;
using Llama4Kernels.PtxEmulator.Counting;
using Llama4Kernels.PtxEmulator.Driver;
using Llama4Kernels.PtxEmulator.Parsing;
using Llama4Kernels.Tests.Kernels.Backends.Cuda;

namespace Llama4Kernels.Tests.Tools;

/// <summary>Products of the published models on a device: here the emulator, where they are small and not timed.</summary>
public class ProductTimingTests
{
    [Fact]
    public void EveryProductOfBothModelsIsTried()
    {
        Assert.Equal(
            [
                "scout qkv bf16", "scout qkv fp8a", "scout output bf16", "scout output fp8a", "scout router bf16", "scout shared gate_up int4", "scout shared gate_up fp8a", "scout shared down int4", "scout shared down fp8a",
                "scout head bf16", "maverick dense gate_up bf16", "maverick dense gate_up fp8a", "maverick dense down bf16", "maverick dense down fp8a", "maverick router bf16",
            ],
            ProductTiming.Products.Select(item => $"{item.Name} {item.Weights}"));
        using var driver = new EmulatedCudaDriver();
        ProductReport[] reports = [.. new ProductTiming(driver, EmulatedBackend.Modules, ReadFigures.Assumed).Run(TestContext.Current.CancellationToken)];
        Assert.Equal(2 * ProductTiming.Products.Count, reports.Length);
        Assert.All(reports, report =>
        {
            Assert.True(report.IsGood && report.Error >= 0, report.ToString());
            Assert.True(report.IsReduced && report.MeasuredMicroseconds is null && report.MeasuredGBs is null && report.BytesInFlight > 0, report.ToString());
            Assert.True(report.PredictedMicroseconds > 0, report.ToString());
        });
        Assert.Equal(["matvec1_int4", "matvec8_int4"], reports.Where(report => report.Weights == "int4").Select(report => report.Kernel).Distinct());
        Assert.Contains(reports, report => report.Kernel == "matvec_bf16");
        Assert.Empty(driver.Findings);
        Assert.Equal(0, driver.LiveResources);
    }

    /// <summary>Both models' experts in the formats that Meta publishes: a row that goes to another expert, or to none, would be a quarter off.</summary>
    [Fact]
    public void ExpertsOfBothModelsAreTried()
    {
        Assert.Equal(
            [("scout experts", 16384, 5120, 5120, 8192, "int4"), ("maverick experts", 16384, 5120, 5120, 8192, "fp8a")],
            ExpertTiming.Items.Select(item => (item.Name, item.GateUp.Outputs, item.GateUp.Inner, item.Down.Outputs, item.Down.Inner, item.Weights.Name)));
        using var driver = new EmulatedCudaDriver();
        ProductReport[] reports = [.. new ExpertTiming(driver, EmulatedBackend.Modules, ReadFigures.Assumed).Run(TestContext.Current.CancellationToken)];
        Assert.Equal(["expert_matvec1_int4", "expert_matvec8_int4", "expert_matvec1_fp8", "expert_matvec8_fp8"], reports.Select(report => report.Kernel));
        Assert.All(reports, report => Assert.True(report.IsGood && report.IsReduced && report.MeasuredMicroseconds is null && report.BytesInFlight > 0 && report.PredictedMicroseconds > 0, report.ToString()));
        // Eight rows read four times the experts that one reads.
        Assert.Equal(4 * reports[0].WeightBytes, reports[1].WeightBytes);
        Assert.Empty(driver.Findings);
        Assert.Equal(0, driver.LiveResources);
    }

    [Fact]
    public void AnExpertsWrongResultIsReported()
    {
        using var driver = new EmulatedCudaDriver();
        ProductReport[] reports = [.. new ExpertTiming(driver, new WithoutGate(), ReadFigures.Assumed).Run(TestContext.Current.CancellationToken)];
        Assert.All(reports, report => Assert.False(report.IsGood, report.ToString()));
    }

    /// <summary>Four warps' rings of five groups of 2048 bytes of codes, 128 of scales and 288 of x, and four blocks a multiprocessor: what the kernel's page says.</summary>
    [Fact]
    public void BytesUnderWayComeFromTheKernelsText()
    {
        PtxModule text = PtxModule.Parse(PtxKernelModules.All.Get("matvec1_int4", 90).Text);
        Assert.InRange(LoadsInFlight.BytesPerThread(text, "matvec1_int4") * 128, 4 * 5 * 2048, 4 * 5 * 2600);
        Assert.Throws<ArgumentException>(() => LoadsInFlight.BytesPerThread(text, "other"));
    }

    [Fact]
    public void RatesLieBetweenTheirNeighboursAndEndAtTheBest()
    {
        var report = new CalibrationReport("d", "sm_90", true,
            [new(1, 1, 4096, 500), new(1, 4, 16384, 2000), new(2, 2, 16384, 2100), new(8, 8, 65536, 3000)],
            [new(1, false, 9), new(100, false, 1.5), new(100, true, 0.5)], []);
        ReadFigures figures = ReadFigures.Of(report, 100);
        Assert.Equal([250.0, 500, 1300, 2100, 3000, 3000], new[] { 2048.0, 4096, 10240, 16384, 65536, 1e6 }.Select(figures.GBs));
        Assert.Equal((3e6 / 3000 / 1e3) + 1.5, figures.Microseconds(3e6, 65536, dependent: false), 1e-9);
        Assert.Equal((3e6 / 3000 / 1e3) + 0.5, figures.Microseconds(3e6, 65536, dependent: true), 1e-9);
        // Nothing is as slow as what is not under way.
        Assert.True(ReadFigures.Assumed.GBs(4096) < ReadFigures.Assumed.GBs(65536));
        Assert.Equal(Hopper.HbmBandwidth * Hopper.HbmReadEfficiency / 1e9, ReadFigures.Assumed.GBs(1e9), 1e-6);
    }

    [Fact]
    public async Task TheDoctorReportsThemInJson()
    {
        CliRun run = await CliRun.Of("doctor", "--threads", "1", "--emulator", "--device", "sm_86", "--json");
        Assert.Equal((0, ""), (run.ExitCode, run.Error));
        JsonElement report = JsonDocument.Parse(run.Out).RootElement;
        Assert.Equal("assumed", report.GetProperty("reads").GetProperty("source").GetString());
        JsonElement[] products = [.. report.GetProperty("products").EnumerateArray()];
        Assert.Equal(2 * (ProductTiming.Products.Count + ExpertTiming.Items.Count), products.Length);
        Assert.All(products, product => Assert.True(product.GetProperty("isGood").GetBoolean() && product.GetProperty("isReduced").GetBoolean()));
        // What the page lists.
        string page = File.ReadAllText(Path.Combine(GoldenFiles.Repository, "docs", "cuda-backend.md"));
        Assert.All(products[0].EnumerateObject(), field => Assert.Contains($"`{field.Name}`", page, StringComparison.Ordinal));
        Assert.All(report.EnumerateObject(), field => Assert.Contains($"`{field.Name}`", page, StringComparison.Ordinal));
    }

    /// <summary>swiglu adds where it should multiply.</summary>
    private sealed class WithoutGate : IKernelModules
    {
        public IReadOnlyList<string> Names => EmulatedBackend.Modules.Names;

        public KernelModule Get(string name, int sm)
        {
            KernelModule module = EmulatedBackend.Modules.Get(name, sm);
            return name == "swiglu" ? module with { Text = module.Text.Replace("mul.f32", "add.f32", StringComparison.Ordinal) } : module;
        }
    }
}
