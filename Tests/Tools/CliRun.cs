using Llama4Kernels.Cli;
using Llama4Kernels.Cli.Shared;

namespace Llama4Kernels.Tests.Tools;

/// <summary>Runs the command line in this process, as a shell would.</summary>
internal sealed record CliRun(int ExitCode, string Out, string Error)
{
    public static Task<CliRun> Of(params string[] args) => WithInput(string.Empty, args);

    public static async Task<CliRun> WithInput(string input, params string[] args)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        var console = new CommandConsole(new StringReader(input), output, error, new Interrupts());
        int code = await CommandLine.RunAsync(args, console, TestContext.Current.CancellationToken);
        return new CliRun(code, output.ToString(), error.ToString());
    }

    /// <summary>Asserts a clean failure: exit code 2, one line that begins with the program's name, nothing else.</summary>
    public void AssertFails(string expected)
    {
        Assert.Equal(2, ExitCode);
        Assert.StartsWith("llama4: ", Error, StringComparison.Ordinal);
        Assert.Single(Error.TrimEnd().Split('\n'));
        Assert.Contains(expected, Error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", Error, StringComparison.Ordinal);
    }
}
