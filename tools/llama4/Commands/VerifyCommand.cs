using System.CommandLine;
using System.Globalization;
using Llama4Kernels.Cli.Shared;
using Llama4Kernels.Cli.Verification;
using Llama4Kernels.Engine.Diagnostics;
using Llama4Kernels.Engine.Model;
using Spectre.Console;

namespace Llama4Kernels.Cli.Commands;

/// <summary><c>verify</c>: compares the engine with reference values.</summary>
internal static class VerifyCommand
{
    public static Command Create(CommandConsole console)
    {
        var checkpoint = new Argument<string>("checkpoint") { Description = "Checkpoint folder." };
        var golden = new Option<string>("--golden", "-g") { Description = "A file of reference values, or a folder of them.", Required = true };
        var tolerance = new Option<double>("--tolerance") { Description = "Largest error as a share of the reference's range, with float32 activations.", DefaultValueFactory = _ => 1e-5, CustomParser = Numbers.Read<double> };
        var kl = new Option<double?>("--max-kl") { Description = "With rounded activations: bounds the mean KL divergence of all rows in nats, in place of the official implementation's own median, far rows and top-1.", CustomParser = Numbers.ReadOptional<double> };
        var chunk = new Option<int>("--prefill-chunk") { Description = "Tokens per prefill step; 0 takes the largest step.", CustomParser = Numbers.Read<int> };
        var json = new Option<bool>("--json") { Description = "Print JSON." };
        var arguments = new ModelArguments(ActivationArgument.Exact);
        var command = new Command("verify", "Compares logits, activations, routing and continuations with reference values; exit code 1 when they differ.") { checkpoint, golden, tolerance, kl, chunk, json };
        arguments.AddTo(command, named: false);
        command.SetAction((parsed, cancellation) =>
        {
            if (parsed.GetValue(chunk) < 0)
            {
                throw new ArgumentException("--prefill-chunk must be 0 or more.");
            }
            var options = new ReferenceOptions { Tolerance = parsed.GetValue(tolerance), Bound = parsed.GetValue(kl) is double mean ? new DivergenceBound { MeanKl = mean } : null };
            string[] files = FilesOf(parsed.GetRequiredValue(golden));
            using Llama4Model model = arguments.Load(parsed.GetRequiredValue(checkpoint), parsed, console, cancellation, needsTokenizer: false);
            using Llama4Model? other = arguments.LoadOtherOrder(parsed.GetRequiredValue(checkpoint), model, parsed, cancellation);
            ReferenceReport[] reports = [.. files.Select(file =>
            {
                using var reference = ReferenceFile.Open(file);
                ReferenceReport report = ReferenceComparison.Run(model, reference, options, parsed.GetValue(chunk), other, cancellation);
                return report.Skipped is null ? report : report with { Skipped = $"{report.Skipped}; give --weights {WeightArguments.NameOf(reference.Weights)}" };
            })];
            ReferenceReport[] compared = [.. reports.Where(report => report.Skipped is null)];
            if (compared.Length == 0)
            {
                throw new ArgumentException($"Nothing was compared: {string.Join("; ", reports.Select(report => $"{report.File}: {report.Skipped}"))}.");
            }
            var all = ReferenceSummary.Of(reports);
            if (parsed.GetValue(json))
            {
                ReportJson.Write(console, new VerificationReport(all.Passed, model.Options.Activations.ToString()!, WeightArguments.NameOf(model.Options.Weights), options.Tolerance, compared[0].Bound, all.Divergence, reports));
            }
            else
            {
                Print(reports, all, console);
            }
            return Task.FromResult(all.Passed ? 0 : CommandLine.Differs);
        });
        return command;
    }

    private static string[] FilesOf(string path)
    {
        if (!Directory.Exists(path))
        {
            return [path];
        }
        string[] files = [.. Directory.GetFiles(path, "*.safetensors").Order(StringComparer.Ordinal)];
        return files.Length > 0 ? files : throw new FileNotFoundException($"{path}: the folder has no safetensors files.");
    }

    private static void Print(ReferenceReport[] reports, ReferenceSummary all, CommandConsole console)
    {
        Table table = CommandConsole.NewTable("file", "rows", "max error", "of range", "median KL", "mean", "largest", "> 0.01", "top-1", "routers", "greedy", "first difference", "result");
        foreach (ReferenceReport r in reports.Where(report => report.Skipped is null))
        {
            var rows = new LogitDivergence(r.Rows, r.MedianKl, r.MeanKl, r.MaxKl, r.RowsAbove001, r.SameTop1);
            table.AddRow([
                Markup.Escape(Path.GetFileNameWithoutExtension(r.File)),
                Text(r.Rows),
                Text(r.MaxAbsolute),
                Text(r.Relative),
                .. Columns(rows),
                r.RouterChoices == 0 ? "-" : $"{r.RouterChoices - r.RouterDifferences}/{r.RouterChoices}",
                r.Greedy == 0 ? "-" : r.GreedyDifference is int at ? $"differs at {at}" : "equal",
                r.FirstDifference ?? "-",
                // The rows of rounded runs are judged together.
                r.Bound is not null ? "-" : r.Passed ? "ok" : "DIFFERS"]);
        }
        if (all.Divergence is { } sum && reports.Any(report => report.Bound is not null))
        {
            table.AddRow(["all", Text(sum.Rows), "", "", .. Columns(sum), "", "", "", all.Passed ? "ok" : "DIFFERS"]);
        }
        console.Write(table);
        if (reports.Select(report => report.Bound).FirstOrDefault(bound => bound is not null) is { } judged)
        {
            console.Out.WriteLine($"rounded activations: all rows together are judged, {judged}");
        }
        foreach (ReferenceReport r in reports.Where(report => report.OrderOfSummation is not null))
        {
            console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{r.File}: the order of summation explains {r.OrderOfSummation:E2} of the range (the same model with the CPU's order)"));
        }
        foreach (ReferenceReport r in reports.Where(report => report.Skipped is not null))
        {
            console.Out.WriteLine($"skipped {r.File}: {r.Skipped}");
        }
    }

    private static string[] Columns(LogitDivergence rows) =>
        [Text(rows.MedianKl), Text(rows.MeanKl), Text(rows.MaxKl), Text(rows.RowsAbove001), $"{rows.SameTop1}/{rows.Rows}"];

    private static string Text(int value) => value.ToString(CultureInfo.InvariantCulture);

    private static string Text(double value) => value.ToString("E2", CultureInfo.InvariantCulture);
}
