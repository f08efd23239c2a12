using System.CommandLine;
using System.Globalization;
using Llama4Kernels.Cli.Devices;
using Llama4Kernels.Cli.Shared;
using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.PtxEmulator.Counting;
using Llama4Kernels.PtxEmulator.Driver;

namespace Llama4Kernels.Cli.Commands;

/// <summary><c>calibrate</c>: the constants of the time model, measured on a device.</summary>
internal static class CalibrateCommand
{
    public static Command Create(CommandConsole console)
    {
        var json = new Option<bool>("--json") { Description = "Print JSON." };
        var emulator = new Option<bool>("--emulator") { Description = "Do the same work on the emulator, which checks it and times nothing." };
        var device = new EmulatedDevice();
        var command = new Command("calibrate", "Measures on a CUDA device what predictions take as given: read bandwidth by the bytes under way, the gap between kernels of a graph with and without programmatic dependent launch, the rate of matrix instructions with and without decoding int4.") { emulator, json };
        device.AddTo(command);
        command.SetAction((parsed, cancellation) =>
        {
            EmulatedDriverOptions options = device.Options(parsed, parsed.GetValue(emulator), "--emulator");
            ICudaDriver? driver = null;
            if (!parsed.GetValue(emulator) && !CudaDriver.TryLoad(out driver, out string reason))
            {
                throw new ArgumentException($"There is no CUDA driver ({reason}). --emulator does the same work without a device and times nothing.");
            }
            using EmulatedCudaDriver? emulated = driver is null ? new EmulatedCudaDriver(options) : null;
            using var calibration = new Calibration(driver ?? emulated!);
            bool text = !parsed.GetValue(json);
            CalibrationReport report = calibration.Run(figure => Print(text, console, figure), cancellation);
            if (!text)
            {
                ReportJson.Write(console, report);
            }
            return Task.FromResult(0);
        });
        return command;
    }

    private static void Print(bool text, CommandConsole console, object figure)
    {
        if (text)
        {
            console.Out.WriteLine(Line(figure));
        }
    }

    private static string Line(object figure) => figure switch
    {
        ReadRate read => string.Create(CultureInfo.InvariantCulture, $"read, {read.BlocksPerMultiprocessor} blocks a multiprocessor, {read.Loads} loads a thread, {read.BytesInFlight >> 10} KiB under way: {Value(read.GBs, "F0", "GB/s")}"),
        LaunchGap gap => string.Create(CultureInfo.InvariantCulture, $"launch in a graph, {gap.Blocks} blocks, {(gap.IsDependentLaunch ? "programmatic dependent launch" : "plain")}: {Value(gap.Microseconds, "F3", "us")} (the model takes {(gap.IsDependentLaunch ? Hopper.EarlyLaunchGap : Hopper.LaunchGap) * 1e6:F1})"),
        MatrixRate rate => string.Create(CultureInfo.InvariantCulture, $"mma.sync m16n8k16 bf16{(rate.DecodesInt4 ? " with int4 decoding" : "")}: {Value(rate.Tflops, "F1", "TFLOP/s")}{(rate.CodeGBs is double bytes ? string.Create(CultureInfo.InvariantCulture, $", {bytes:F0} GB/s of codes") : "")}"),
        _ => throw new ArgumentException($"{figure.GetType().Name} is no figure of a calibration.", nameof(figure)),
    };

    private static string Value(double? value, string format, string unit) =>
        value is double figure ? figure.ToString(format, CultureInfo.InvariantCulture) + " " + unit : "not timed";
}
