using System.Globalization;
using System.Runtime.InteropServices;

namespace Llama4Kernels.Cli.Shared;

/// <summary>What a failed command says: one line.</summary>
internal static class FailureReport
{
    /// <summary>The message of an expected failure, without the parameter's name that .NET adds.</summary>
    public static string MessageOf(Exception e) => e switch
    {
        ArgumentException { ParamName: string name } => e.Message.Replace($" (Parameter '{name}')", string.Empty, StringComparison.Ordinal),
        OutOfMemoryException => $"out of memory: {e.Message} 'llama4 inspect' prints what a checkpoint needs.",
        _ => e.Message,
    };

    /// <summary>The line for a fault of the program; the details go to a file.</summary>
    /// <param name="e">The fault.</param>
    /// <param name="command">The command's name; arguments may be private and are left out.</param>
    public static string Unexpected(Exception e, string command)
    {
        string what = $"unexpected error in {command}: {e.GetType().Name}: {e.Message}";
        string file = Path.Combine(Path.GetTempPath(), $"llama4-error-{DateTime.UtcNow.ToString("yyyyMMdd-HHmmss", CultureInfo.InvariantCulture)}-{Environment.ProcessId}.txt");
        try
        {
            File.WriteAllText(file, $"llama4 {typeof(FailureReport).Assembly.GetName().Version}, .NET {Environment.Version}, {RuntimeInformation.RuntimeIdentifier}\n{what}\n{e}\n");
            return $"{what} This is a fault of the program: please report it with {file}.";
        }
        catch (Exception inner) when (inner is IOException or UnauthorizedAccessException)
        {
            return $"{what} This is a fault of the program; the details could not be written to {file}: {inner.Message}";
        }
    }
}
