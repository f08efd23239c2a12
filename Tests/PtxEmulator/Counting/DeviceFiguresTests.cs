using Llama4Kernels.PtxEmulator.Counting;
using DeviceLimits = Llama4Kernels.Kernels.Contracts.Cuda.DeviceLimits;

namespace Llama4Kernels.Tests.PtxEmulator.Counting;

/// <summary>Figures of devices.</summary>
public class DeviceFiguresTests
{
    public static TheoryData<string> Names => [.. DeviceFigures.Known.Select(device => device.Name)];

    /// <summary>The devices that kernels are chosen for have figures, and both lists speak of the same devices.</summary>
    [Fact]
    public void TheyAreThoseThatKernelsAreChosenFor() => Assert.Equal(
        DeviceLimits.Known.Select(device => (device.Name, device.Sm, device.Multiprocessors)),
        DeviceFigures.Known.Select(device => (device.Name, device.Sm, device.Processors)));

    [Theory]
    [MemberData(nameof(Names))]
    public void ThePeakIsTheRateAtTheClock(string name)
    {
        DeviceFigures device = DeviceFigures.Get(name);
        Assert.InRange(device.Processors * (double)device.TensorOperationsPerClock * device.Clock / device.TensorPeak, 0.95, 1.02);
        Assert.InRange(device.ResidentBlocks(256, 64, 0), 1, 8);
    }

    [Fact]
    public void ADeviceChangesWhatItsFiguresSay()
    {
        var reads = new KernelWork { Blocks = 132, HbmReadBytes = 1e9 };
        Assert.Equal(4.8 / 3.35, TimeModel.Predict(reads).Hbm / TimeModel.Predict(reads, DeviceFigures.Get("h200")).Hbm, 1e-9);
        KernelWork products = reads with { HbmReadBytes = 0, Tensor = [new TensorWork(1e9, 16, WarpGroup: false)] };
        Assert.Equal(1e9 / (128 * 512.0) / 2.52e9 * 128 / 132 * Math.Ceiling(132 / 128.0), TimeModel.Predict(products, DeviceFigures.Get("rtx4090")).Tensor, 1e-12);
        Assert.Equal(1e9 / 1.008e12, TimeModel.HbmFloor(1e9, DeviceFigures.Get("rtx4090")), 1e-15);
        KernelWork doubles = reads with { DoubleInstructions = 1e6 };
        Assert.Equal(32, TimeModel.Predict(doubles, DeviceFigures.Get("rtx4090") with { Processors = 132, Clock = 1.755e9 }).Issue / TimeModel.Predict(doubles).Issue, 1e-9);
    }

    [Fact]
    public void UnknownDevicesAreNamed() => Assert.Contains("h100, h200", Assert.Throws<ArgumentException>(() => DeviceFigures.Get("tpu")).Message, StringComparison.Ordinal);
}
