using System.CommandLine;
using System.Text.Json.Nodes;
using Llama4Kernels.Cli.Schemas;
using Llama4Kernels.Cli.Shared;
using Llama4Kernels.Engine.Tokenization;
using Llama4Kernels.Interop.Files;
using Llama4Kernels.Kernels.Threading;
using Spectre.Console;

namespace Llama4Kernels.Cli.Commands;

/// <summary><c>schemas</c>: compiles the schemas of a file and checks their instances token by token.</summary>
internal static class SchemasCommand
{
    private const string MetasVocabulary = "tokenizer.model";

    public static Command Create(CommandConsole console)
    {
        var file = new Argument<string>("file") { Description = "JSON lines with name, schema and tests: [{valid, data}]." };
        var tokenizer = new Option<string?>("--tokenizer") { Description = "Checkpoint (folder or .gguf file) or tokenizer file; without it Meta's in ../tokenizer beside the file, else the sample model's." };
        var threads = ThreadArgument.New("Schemas checked at the same time", 1, "-t");
        var output = new Option<string?>("--out") { Description = "File for one row a schema: name, status, and what was refused." };
        var json = new Option<bool>("--json") { Description = "Print counts and times as JSON." };
        var command = new Command("schemas", "Compiles JSON schemas and checks their instances token by token; exit code 1 if an instance is judged wrongly.")
        {
            file, tokenizer, threads, output, json,
        };
        command.SetAction((parsed, cancellation) =>
        {
            string path = parsed.GetRequiredValue(file);
            int degree = ThreadArgument.Check(parsed.GetValue(threads), console);
            degree = degree == 0 ? ThreadTeam.DefaultThreads : degree;
            Llama4Tokenizer vocabulary = TokenizerArgument.Load(parsed.GetValue(tokenizer) ?? FindVocabulary(path));
            SchemaReport report = new SchemaRun(path, vocabulary, console).Check(degree, cancellation);
            if (parsed.GetValue(output) is string rows)
            {
                OutputFile.Write(rows, writer =>
                {
                    foreach (SchemaRow row in report.Rows)
                    {
                        writer.WriteLine(row.ToJson().ToJsonString());
                    }
                });
            }
            if (parsed.GetValue(json))
            {
                console.Out.WriteLine(report.ToJson().ToJsonString());
            }
            else
            {
                Print(report, console);
            }
            return Task.FromResult(report.IsSound ? 0 : CommandLine.Differs);
        });
        return command;
    }

    private static string FindVocabulary(string path)
    {
        string folder = Path.Combine(Path.GetDirectoryName(Path.GetFullPath(path)) ?? ".", "..", "tokenizer");
        string metas = Path.Combine(folder, MetasVocabulary);
        return File.Exists(metas) ? metas : ModelArguments.SampleModel;
    }

    private static void Print(SchemaReport report, CommandConsole console)
    {
        Table counts = CommandConsole.NewTable("status", "schemas", "share");
        foreach ((string status, int count) in report.Counts)
        {
            counts.AddRow(status, $"{count}", $"{100.0 * count / Math.Max(report.Rows.Count, 1):0.0} %");
        }
        console.Write(counts);
        Table times = CommandConsole.NewTable("time", "count", "mean µs", "p99 µs", "largest µs");
        times.AddRow("mask", $"{report.Mask.Count}", $"{report.Mask.Mean:0.0}", $"{report.Mask.P99:0.0}", $"{report.Mask.Max:0}");
        times.AddRow("compile", $"{report.Compile.Count}", $"{report.Compile.Mean:0}", $"{report.Compile.P99:0}", $"{report.Compile.Max:0}");
        console.Write(times);
        console.Out.WriteLine($"{report.Vocabulary} tokens, {report.Threads} thread(s); compiling includes the first mask.");
        foreach (SchemaRow row in report.Rows.Where(row => row.Status is not (SchemaStatus.Ok or SchemaStatus.Refused)).Take(20))
        {
            console.Out.WriteLine($"{row.Name}: {row.Status}: {row.Detail}");
        }
    }
}
