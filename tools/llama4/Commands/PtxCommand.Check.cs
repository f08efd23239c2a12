using System.CommandLine;
using Llama4Kernels.Cli.Shared;
using Llama4Kernels.PtxEmulator.Checking;

namespace Llama4Kernels.Cli.Commands;

/// <summary><c>ptx check</c>: what an assembler would refuse in PTX files, and what it would take though it is dangerous.</summary>
internal static partial class PtxCommand
{
    private static Command Check(CommandConsole console)
    {
        var paths = new Argument<string[]>("path") { Description = "PTX files, and folders whose .ptx files are checked.", Arity = ArgumentArity.OneOrMore };
        var quiet = new Option<bool>("--errors-only") { Description = "Print no warnings." };
        var command = new Command("check", "Checks PTX files against the rules of PTX up to 9.0; exit code 1 if there are errors.") { paths, quiet };
        command.SetAction(parsed =>
        {
            string[] files = [.. parsed.GetRequiredValue(paths).SelectMany(Files)];
            int errors = 0;
            int warnings = 0;
            foreach (string file in files)
            {
                foreach (PtxDiagnostic diagnostic in PtxChecker.Check(File.ReadAllText(file)))
                {
                    bool error = diagnostic.Severity == PtxSeverity.Error;
                    errors += error ? 1 : 0;
                    warnings += error ? 0 : 1;
                    if (error || !parsed.GetValue(quiet))
                    {
                        console.Out.WriteLine(file + diagnostic);
                    }
                }
            }
            console.Out.WriteLine($"{files.Length} files, {errors} errors, {warnings} warnings");
            return errors > 0 ? CommandLine.Differs : 0;
        });
        return command;
    }

    private static IEnumerable<string> Files(string path)
    {
        if (!Directory.Exists(path))
        {
            return [path];
        }
        string[] files = [.. Directory.EnumerateFiles(path, "*.ptx").Order(StringComparer.Ordinal)];
        return files.Length > 0 ? files : throw new ArgumentException($"No .ptx files in {path}.");
    }
}
