using System.Diagnostics;

namespace Llama4Kernels.Tests.Tools;

/// <summary>tools/device-check/run.sh, with a program in place of the engine that fails where it is told to.</summary>
public sealed class DeviceCheckScriptTests : IDisposable
{
    private readonly ScratchFolder _folder = new();

    public DeviceCheckScriptTests()
    {
        Assert.SkipUnless(File.Exists("/bin/bash"), "There is no bash.");
        File.Copy(Path.Combine(GoldenFiles.Repository, "tools", "device-check", "run.sh"), _folder.Path("run.sh"));
        Directory.CreateDirectory(_folder.Path("golden/tiny-scout/golden"));
        File.WriteAllText(_folder.Path("golden/tiny-scout/golden/text-5.safetensors"), "");
    }

    [Fact]
    public void EveryStepStandsInTheReport()
    {
        (int code, string output, string report) = Run("echo \"ran $*\"");
        Assert.Equal(0, code);
        foreach (string step in (string[])["doctor --emulator", "verify ", "calibrate --emulator"])
        {
            Assert.Contains("ran " + step, report, StringComparison.Ordinal);
        }
        Assert.Contains("--backend emulator", report, StringComparison.Ordinal);
        Assert.Contains(" 0 failed", output, StringComparison.Ordinal);
        Assert.Contains("\n## Result\n", report, StringComparison.Ordinal);
    }

    [Fact]
    public void AStepThatFailsStopsNoneAndShowsInTheExitCode()
    {
        (int code, string output, string report) = Run("echo \"ran $*\"; [ $1 != doctor ] || exit 7");
        Assert.Equal(1, code);
        Assert.Contains("FAILED with exit code 7", report, StringComparison.Ordinal);
        Assert.Contains("ran calibrate", report, StringComparison.Ordinal);
        Assert.Contains(" 1 failed", output, StringComparison.Ordinal);
    }

    /// <summary>A step that neither ends nor heeds a polite signal is stopped at the deadline, the others are left out, and the report is there.</summary>
    [Fact]
    public void AStepThatHangsIsStoppedAndTheReportWritten()
    {
        (int code, string output, string report) = Run("trap '' TERM; echo \"began $*\"; while :; do sleep 1; done", "--minutes", "0.25");
        Assert.Equal(1, code);
        Assert.Contains("began doctor --emulator", report, StringComparison.Ordinal);
        Assert.Matches(@"## doctor[^
]*: ran out of its [1-7] s", report);
        foreach (string step in (string[])["verify tiny-scout text-5", "calibrate"])
        {
            Assert.Matches($@"## {step}[^
]*: skipped, the time is up", report);
        }
        Assert.DoesNotContain("began calibrate", report, StringComparison.Ordinal);
        Assert.Matches(@"
0 steps passed, 1 failed, [0-9]+ skipped, in ", report);
        Assert.Contains(" 1 failed", output, StringComparison.Ordinal);
    }

    /// <summary>A step's own limit, long before the deadline: it is cut off, those behind it run, and the report says which one it was.</summary>
    [Theory]
    [InlineData("sleep 600")]
    [InlineData("trap '' TERM; while :; do sleep 1; done")]
    public void AStepThatHangsIsCutOffAtItsOwnLimitAndTheNextOnesRun(string hang)
    {
        (int code, string output, string report) = Run($"echo \"began $*\"; [ $1 != verify ] || {{ {hang}; }}; echo \"ended $1\"", "--minutes", "2", "--step-seconds", "1");
        Assert.Equal(1, code);
        Assert.Contains("ended doctor", report, StringComparison.Ordinal);
        Assert.Matches(@"
## verify tiny-scout text-5: ran out of its 1 s \([1-7] s\)\n\n```\nbegan verify", report);
        Assert.DoesNotContain("ended verify", report, StringComparison.Ordinal);
        Assert.Contains("ended calibrate", report, StringComparison.Ordinal);
        Assert.DoesNotContain("the time is up", report, StringComparison.Ordinal);
        Assert.Matches(@"
[2-9] steps passed, 1 failed, [0-9]+ skipped, in ", report);
        Assert.Contains(" 1 failed", output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--step-seconds", "0")]
    [InlineData("--step-seconds", "-5")]
    [InlineData("--step-seconds", "1.5")]
    [InlineData("--step-seconds")]
    [InlineData("--minutes", "0")]
    [InlineData("--minutes", "0.2")]
    [InlineData("--minutes", "-1")]
    [InlineData("--minutes", "soon")]
    [InlineData("--fast")]
    public void WrongCallsAreRefused(params string[] arguments) => Assert.Equal(2, Run("true", arguments).Code);

    public void Dispose() => _folder.Dispose();

    private (int Code, string Output, string Report) Run(string engine, params string[] arguments)
    {
        string bin = Path.Combine(Directory.CreateDirectory(_folder.Path("bin")).FullName, "llama4");
        File.WriteAllText(bin, "#!/bin/bash\n" + engine + "\n");
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(bin, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }
        var start = new ProcessStartInfo("/bin/bash", ["run.sh", "--emulator", .. arguments]) { WorkingDirectory = _folder.Path("."), RedirectStandardOutput = true, RedirectStandardError = true };
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        _ = errors.Result;
        string report = _folder.Path("report.md");
        return (process.ExitCode, output, File.Exists(report) ? File.ReadAllText(report) : "");
    }
}
