using System.Diagnostics;

namespace Llama4Kernels.Tests.Tools;

/// <summary>The program with streams that its caller closed, or stops reading: it ends, with its exit code, and nothing else happens.</summary>
public sealed class ClosedStreamTests
{
    public static bool HasShell => File.Exists("/bin/bash");

    [Theory(SkipUnless = nameof(HasShell), Skip = "needs a shell")]
    [InlineData("\"$@\" tokenize hello >&-", 0, "", "")]
    [InlineData("\"$@\" tokenize hello 2>&-", 0, "71", "")]
    [InlineData("\"$@\" tokenize hello <&- >&- 2>&-", 0, "", "")]
    [InlineData("\"$@\" tokenize hello -m /nowhere/at/all 2>&-", 2, "", "")]
    [InlineData("\"$@\" tokenize hello -m /nowhere/at/all >&-", 2, "", "llama4: ")]
    // Whoever reads has enough after a byte.
    [InlineData("set -o pipefail; \"$@\" kernels --json | head -c 1", 0, "[", "")]
    [InlineData("set -o pipefail; \"$@\" inspect \"$MODEL\" | head -c 1", 0, "", "")]
    [InlineData("set -o pipefail; \"$@\" generate hello -m \"$MODEL\" -t 0 -n 200 2>/dev/null | head -c 1", 0, "", "")]
    public async Task TheProgramEndsQuietly(string script, int code, string output, string error)
    {
        var start = new ProcessStartInfo("/bin/bash", ["-c", script, "bash", "dotnet", Path.Combine(AppContext.BaseDirectory, "llama4.dll")])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["MODEL"] = GoldenFiles.SampleModel;
        using Process process = Process.Start(start)!;
        process.StandardInput.Close();
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        Task<string> outputs = process.StandardOutput.ReadToEndAsync(cancellation), errors = process.StandardError.ReadToEndAsync(cancellation);
        await process.WaitForExitAsync(cancellation);
        Assert.StartsWith(output, await outputs, StringComparison.Ordinal);
        string said = await errors;
        Assert.True(error.Length == 0 ? said.Length == 0 : said.StartsWith(error, StringComparison.Ordinal) && said.TrimEnd().Split('\n').Length == 1, said);
        Assert.Equal(code, process.ExitCode);
    }
}
