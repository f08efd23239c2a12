using System.CommandLine;
using System.Globalization;
using Llama4Kernels.Cli.Commands;
using Llama4Kernels.Cli.Shared;
using Llama4Kernels.Engine;
using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.PtxEmulator.Cases;
using Llama4Kernels.PtxEmulator.Findings;
using Llama4Kernels.PtxEmulator.Parsing;

namespace Llama4Kernels.Cli;

/// <summary>The llama4 command line: builds its commands and runs them.</summary>
internal static class CommandLine
{
    /// <summary>Exit code of a check that found a difference.</summary>
    public const int Differs = 1;

    /// <summary>Exit code of a wrong call or an unusable file.</summary>
    public const int Failed = 2;

    /// <summary>Exit code of a fault of the program itself, as sysexits.h has it.</summary>
    public const int Unexpected = 70;

    /// <summary>Exit code after Ctrl-C, as shells expect it.</summary>
    public const int Interrupted = 130;

    /// <summary>All commands, writing to <paramref name="console"/>.</summary>
    public static RootCommand Build(CommandConsole console)
    {
        var root = new RootCommand("Runs Llama 4 models: chat, pictures, and tools that check and measure the engine.")
        {
            ChatCommand.Create(console),
            GenerateCommand.Create(console),
            DescribeCommand.Create(console),
            ServeCommand.Create(console),
            HealthCommand.Create(console),
            TokenizeCommand.Create(console),
            ParseAnswerCommand.Create(console),
            PreprocessCommand.Create(console),
            InspectCommand.Create(console),
            ConvertCommand.Create(console),
            QuantizeCommand.Create(console),
            LogitsCommand.Create(console),
            VerifyCommand.Create(console),
            EvalCommand.Create(console),
            BenchCommand.Create(console),
            DoctorCommand.Create(console),
            CalibrateCommand.Create(console),
            KernelsCommand.Create(console),
            PredictCommand.Create(console),
            SchemasCommand.Create(console),
            PtxCommand.Create(console),
        };
        return root;
    }

    /// <summary>Parses and runs; every expected failure becomes one line on the error stream.</summary>
    /// <returns>The exit code.</returns>
    public static async Task<int> RunAsync(string[] args, CommandConsole console, CancellationToken cancellation = default)
    {
        CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
        // A prompt may begin with "@": it names no file of arguments.
        ParseResult parsed = Build(console).Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });
        if (parsed.Errors.Count > 0)
        {
            Report(console, string.Join(' ', parsed.Errors.Select(error => error.Message).Distinct(StringComparer.Ordinal)));
            return Failed;
        }
        using CancellationTokenSource running = console.Interrupts.Begin(cancellation);
        var configuration = new InvocationConfiguration
        {
            Output = console.Out,
            Error = console.Error,
            EnableDefaultExceptionHandler = false,
            ProcessTerminationTimeout = null,
        };
        try
        {
            return await parsed.InvokeAsync(configuration, running.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            Report(console, "interrupted.");
            return Interrupted;
        }
        catch (OutputClosedException)
        {
            return 0;
        }
        catch (Exception e) when (IsExpected(e))
        {
            Report(console, FailureReport.MessageOf(e));
            return Failed;
        }
        catch (Exception e)
        {
            Report(console, FailureReport.Unexpected(e, parsed.CommandResult.Command.Name));
            return Unexpected;
        }
        finally
        {
            console.Interrupts.End(running);
        }
    }

    /// <summary>What a file, an argument or the machine may cause. Anything else is a fault of the program.</summary>
    internal static bool IsExpected(Exception e) =>
        e is Llama4Exception or ArgumentException or CudaException or KernelModuleException
            or IOException or InvalidDataException or UnauthorizedAccessException or OutOfMemoryException
            or CaseFormatException or PtxSyntaxException or PtxFindingException or PtxNotImplementedException;

    private static void Report(CommandConsole console, string message) =>
        console.Error.WriteLine("llama4: " + message.ReplaceLineEndings(" "));
}
