using System.CommandLine;
using Llama4Kernels.Cli.Ptx;
using Llama4Kernels.Cli.Shared;
using Llama4Kernels.Engine;
using Llama4Kernels.PtxEmulator.Cases;
using Llama4Kernels.PtxEmulator.Parsing;

namespace Llama4Kernels.Cli.Commands;

/// <summary><c>ptx run</c>: runs kernels with given inputs on the emulator and compares what they write.</summary>
internal static partial class PtxCommand
{
    /// <summary>Exit code of <c>ptx run</c> when nothing is wrong but some kernels have instructions that the emulator does not execute.</summary>
    public const int OnlyNotImplemented = 2;

    private static Command Run(CommandConsole console)
    {
        var path = new Argument<string>("case") { Description = "A case's JSON file, or a folder of cases; NAME.ptx and NAME.safetensors stand beside NAME.json." };
        var folder = new Option<string>("--out") { Description = "Write the outputs of each case to NAME.safetensors in this folder." };
        var seeds = new Option<int>("--seeds") { Description = "Schedules to try for each case.", DefaultValueFactory = _ => 1, CustomParser = Numbers.Read<int> };
        var early = new Option<bool>("--early") { Description = "Let asynchronous copies arrive when they are issued, not at their wait." };
        var command = new Command("run", "Runs kernels on the emulator and compares their outputs; exit code 1 if one fails or a case is broken, 2 if that is not so but instructions are not implemented.") { path, folder, seeds, early };
        command.SetAction((parsed, cancellation) =>
        {
            if (parsed.GetValue(seeds) < 1)
            {
                throw new ArgumentException("--seeds must be 1 or more.");
            }
            string[] files = CaseFiles.Find(parsed.GetRequiredValue(path));
            if (parsed.GetValue(folder) is string target)
            {
                Directory.CreateDirectory(target);
            }
            var options = new CaseOptions { Seeds = parsed.GetValue(seeds), Early = parsed.GetValue(early) };
            int passed = 0;
            int failed = 0;
            int unknown = 0;
            foreach (string file in files)
            {
                CaseResult? result = Run(file, options, console, cancellation);
                passed += result?.Outcome == CaseOutcome.Passed ? 1 : 0;
                unknown += result?.Outcome == CaseOutcome.NotImplemented ? 1 : 0;
                failed += result?.Outcome is CaseOutcome.Passed or CaseOutcome.NotImplemented ? 0 : 1;
                if (result is { Outputs.Count: > 0 } && parsed.GetValue(folder) is string outputs)
                {
                    CaseFiles.Write(Path.Combine(outputs, result.Case + ".safetensors"), result.Outputs);
                }
            }
            console.Out.WriteLine($"{passed} passed, {failed} failed, {unknown} not implemented");
            return Task.FromResult(failed > 0 ? CommandLine.Differs : unknown > 0 ? OnlyNotImplemented : 0);
        });
        return command;
    }

    // A broken case is one line too, so that it does not hide the others.
    private static CaseResult? Run(string file, CaseOptions options, CommandConsole console, CancellationToken cancellation)
    {
        try
        {
            CaseResult result = CaseRunner.Run(CaseFiles.Read(file), options, cancellation);
            string outcome = result.Outcome switch
            {
                CaseOutcome.Passed => "PASS",
                CaseOutcome.Failed => "FAIL",
                CaseOutcome.Finding => "FINDING",
                _ => "NOT IMPLEMENTED",
            };
            console.Out.WriteLine($"{outcome} {result.Case}{(result.Message.Length > 0 ? ": " + result.Message : "")}");
            return result;
        }
        catch (Exception e) when (e is CaseFormatException or PtxSyntaxException or ModelFormatException or IOException or UnauthorizedAccessException)
        {
            console.Out.WriteLine($"ERROR {Path.GetFileNameWithoutExtension(file)}: {e.Message.ReplaceLineEndings(" ")}");
            return null;
        }
    }
}
