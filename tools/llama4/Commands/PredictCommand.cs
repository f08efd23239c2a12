using System.CommandLine;
using System.Globalization;
using Llama4Kernels.Cli.Prediction;
using Llama4Kernels.Cli.Shared;
using Llama4Kernels.Engine.Config;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.PtxEmulator.Counting;
using Spectre.Console;

namespace Llama4Kernels.Cli.Commands;

/// <summary><c>predict</c>: what a published model would do on a device that is not there.</summary>
internal static class PredictCommand
{
    /// <summary>Most sequences of a step: beyond them decoding is prefill.</summary>
    private const int MostRows = 512;

    public static Command Create(CommandConsole console)
    {
        var shape = new Option<string>("--shape") { Description = "The model: scout or maverick.", Required = true };
        shape.AcceptOnlyFromAmong(ModelShape.Names);
        var weights = new Option<string>("--weights") { Description = "Format of the weights that are quantised: int4, fp8 (activations too), or bf16 for none.", DefaultValueFactory = _ => "int4" };
        weights.AcceptOnlyFromAmong("int4", "fp8", "bf16");
        Option<string?> include = IncludeArgument.New();
        Option<string> activations = ActivationArgument.New("bf16");
        var rows = new Option<string>("--rows") { Description = $"Sequences decoded together, each with a context of its own: numbers up to {MostRows} with commas between them.", DefaultValueFactory = _ => "1" };
        var context = new Option<int>("--context") { Description = "Keys that layers with full attention hold while decoding; chunked ones hold their mean, half of it and at most half a chunk.", DefaultValueFactory = _ => 8192, CustomParser = Numbers.Read<int> };
        var prefill = new Option<string?>("--prefill") { Description = "Tokens of prompts to bring into an empty context: numbers with commas between them. Without it, only decoding." };
        var device = new Option<string>("--device") { Description = $"The device, which need not be there: {string.Join(", ", DeviceFigures.Known.Select(known => known.Name))}.", DefaultValueFactory = _ => "h100" };
        device.AcceptOnlyFromAmong([.. DeviceFigures.Known.Select(known => known.Name)]);
        var force = new Option<string?>("--kernel") { Description = "A product's kernel to take wherever it can be taken (llama4 kernels lists them)." };
        var json = new Option<bool>("--json") { Description = "Print JSON, with the counters and terms of every launch." };
        var command = new Command("predict", "Predicts decoding and prefill of a published model on a device that is not there, without its weights: takes down what the backend launches, counts blocks of each launch on the emulator and puts the time model's figures together. A model's figures, not measured: nothing calibrated its constants.")
        {
            shape, weights, include, activations, rows, context, prefill, device, force, json,
        };
        command.SetAction((parsed, cancellation) =>
        {
            string model = parsed.GetRequiredValue(shape);
            ModelConfig config = PublishedConfigs.Get(model);
            int[] counts = Counts("--rows", parsed.GetRequiredValue(rows), MostRows);
            int[] prompts = parsed.GetValue(prefill) is string text ? Counts("--prefill", text, config.Text.MaxPositions - 1) : [];
            int keys = parsed.GetValue(context);
            if (keys < 1 || keys > config.Text.MaxPositions)
            {
                throw new ArgumentException($"--context must be 1 to {config.Text.MaxPositions} for {model}.");
            }
            string format = parsed.GetRequiredValue(weights);
            WeightScheme scheme = format switch { "int4" => WeightScheme.Int4, "fp8" => WeightScheme.Fp8, _ => WeightScheme.Stored };
            var options = new ModelOptions
            {
                Activations = ActivationArgument.Get(parsed, activations),
                Weights = scheme,
                Include = IncludeArgument.Get(parsed, include, scheme),
            };
            var request = new PredictionRequest(config, ModelShape.Products(model), options, DeviceFigures.Get(parsed.GetRequiredValue(device)), parsed.GetValue(force));
            PredictionReport report = Predict(console, request, counts, keys, prompts, cancellation) with
            {
                Shape = model,
                Weights = format,
                Include = IncludeArgument.NamesOf(options.Included),
                Activations = parsed.GetRequiredValue(activations),
            };
            if (!report.Fits)
            {
                string largest = report.Decode.LastOrDefault(step => step.MemoryBytes <= report.DeviceMemoryBytes) is { } step ? $"up to {step.Rows} of --rows fit" : "not even the fewest rows fit";
                console.Error.WriteLine(FormattableString.Invariant($"llama4: this takes {report.MemoryBytes / 1e9:F1} GB and {report.Device} has {report.DeviceMemoryBytes / 1e9:F1} GB ({largest}): the figures beyond are those of a device like it with more memory."));
            }
            if (parsed.GetValue(json))
            {
                ReportJson.Write(console, report);
            }
            else
            {
                Print(console, report);
            }
            return Task.FromResult(0);
        });
        return command;
    }

    private static PredictionReport Predict(CommandConsole console, PredictionRequest request, int[] rows, int context, int[] prompts, CancellationToken cancellation)
    {
        string doing = "";
        int counted = 0;
        void Progress(string kernel)
        {
            counted++;
            if (console.ErrorIsTerminal)
            {
                console.Error.Write($"\r{doing}: {kernel,-32}");
            }
        }
        using var predictor = new StepPredictor(request, DeviceModules.Find(), counts: true, Progress, cancellation);
        IReadOnlyList<RecordedOperation> Run(string what, Func<IReadOnlyList<RecordedOperation>> run)
        {
            (doing, counted) = (what, 0);
            IReadOnlyList<RecordedOperation> operations = run();
            string done = $"{what}: {operations.Sum(one => one.Launches.Count)} launches, {counted} of them new and counted";
            console.Error.WriteLine(console.ErrorIsTerminal ? "\r" + done.PadRight(64) : done);
            return operations;
        }
        List<PredictedDecode> decode = [];
        foreach (int count in rows)
        {
            IReadOnlyList<RecordedOperation> operations = Run($"decode, {count} {(count == 1 ? "row" : "rows")}", () => predictor.Decode(count, context));
            (double seconds, double floor, IReadOnlyList<PredictedOperation> summed) = Sum(operations, request.Device);
            decode.Add(new PredictedDecode(count, count / seconds, count / floor, seconds * 1e3, operations.Sum(one => one.Launches.Count), predictor.UsedBytes, summed));
        }
        List<PredictedPrefill> prefill = [];
        foreach (int tokens in prompts)
        {
            IReadOnlyList<RecordedOperation> operations = Run($"prefill, {tokens} tokens", () => predictor.Prefill(tokens));
            (double seconds, double floor, IReadOnlyList<PredictedOperation> summed) = Sum(operations, request.Device);
            prefill.Add(new PredictedPrefill(tokens, tokens / seconds, tokens / floor, seconds * 1e3, operations.Sum(one => one.Launches.Count), summed));
        }
        int launches = decode.FirstOrDefault(one => one.Rows == 1)?.Launches ?? Run("decode, 1 row", () => predictor.Decode(1, context)).Sum(one => one.Launches.Count);
        return new PredictionReport("", request.Device.Name, "", [], "", context, launches, predictor.UsedBytes, request.Device.MemoryBytes, predictor.UsedBytes <= request.Device.MemoryBytes, decode, prefill);
    }

    private static (double Seconds, double Floor, IReadOnlyList<PredictedOperation> Operations) Sum(IReadOnlyList<RecordedOperation> recorded, DeviceFigures device)
    {
        IReadOnlyList<PredictedOperation> operations = PredictedOperation.Of(recorded, device);
        return (operations.Sum(one => one.Microseconds) / 1e6, operations.Sum(one => one.FloorMicroseconds) / 1e6, operations);
    }

    private static void Print(CommandConsole console, PredictionReport report)
    {
        string included = report.Include.Count == 0 ? "" : $" ({string.Join(", ", report.Include)})";
        console.Out.WriteLine(FormattableString.Invariant(
            $"{report.Shape} on {report.Device}, weights {report.Weights}{included}, activations {report.Activations}: {report.MemoryBytes / 1e9:F1} of {report.DeviceMemoryBytes / 1e9:F1} GB, {report.LaunchesPerToken} launches a token"));
        foreach (PredictedDecode step in report.Decode)
        {
            Print(console, FormattableString.Invariant($"decode, {step.Rows} x {report.Context} keys: {step.TokensPerSecond:F1} tokens/s, {step.Milliseconds:F2} ms a step of {step.Launches} launches, {step.MemoryBytes / 1e9:F1} GB (floor {step.FloorTokensPerSecond:F1} tokens/s)"), step.Operations);
        }
        foreach (PredictedPrefill prompt in report.Prefill)
        {
            Print(console, FormattableString.Invariant($"prefill, {prompt.Tokens} tokens: {prompt.TokensPerSecond:F0} tokens/s, {prompt.Milliseconds:F1} ms, {prompt.Launches} launches (floor {prompt.FloorTokensPerSecond:F0} tokens/s)"), prompt.Operations);
        }
        console.Out.WriteLine("Predicted, not measured: counters of sampled blocks in a time model that nothing has calibrated. Floors: weights and cache at the published bandwidth, products at the published peak.");
    }

    private static void Print(CommandConsole console, string title, IReadOnlyList<PredictedOperation> operations)
    {
        console.Out.WriteLine(title);
        Table table = CommandConsole.NewTable("operation", "times", "kernel", "grid", "us each", "bound", "GB/s", "TFLOP/s", "ms in all", "floor ms");
        foreach (PredictedOperation operation in operations)
        {
            for (int i = 0; i < operation.Launches.Count; i++)
            {
                PredictedLaunch launch = operation.Launches[i];
                bool first = i == 0;
                table.AddRow(
                    first ? Markup.Escape(operation.Name) : "", first ? operation.Count.ToString(CultureInfo.InvariantCulture) : "", launch.Kernel, Markup.Escape(launch.Grid),
                    Figure(launch.Microseconds), launch.Bound, Figure((launch.ReadBytes + launch.WrittenBytes) / launch.Microseconds / 1e3), Figure(launch.TensorOperations / launch.Microseconds / 1e6),
                    first ? Figure(operation.Microseconds / 1e3) : "", first ? Figure(operation.FloorMicroseconds / 1e3) : "");
            }
        }
        console.Write(table);
    }

    private static string Figure(double value) => value == 0 ? "-" : value.ToString(value < 0.1 ? "F3" : value < 100 ? "F2" : "F0", CultureInfo.InvariantCulture);

    private static int[] Counts(string option, string text, int most) =>
        [.. text.Split(',').Select(part => int.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out int count) && count > 0 && count <= most
            ? count
            : throw new ArgumentException($"{option} takes numbers from 1 to {most} with commas between them, not '{text}'.")).Distinct().Order()];
}
