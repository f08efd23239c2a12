using System.Diagnostics;
using Llama4Kernels.Engine.Checkpoints.SafeTensors;
using Llama4Kernels.Tests.Tools;

namespace Llama4Kernels.Tests.Reference;

/// <summary>
/// tools/reference/make_reference.py with stand-ins for torch, transformers and safetensors, whose model answers what a golden
/// says: what the program writes is in the goldens' form, and <c>verify</c> finds the checkpoint right by it.
/// </summary>
public sealed class MakeReferenceTests : IDisposable
{
    private const string Golden = "tiny-scout/golden/text-40.safetensors";

    private readonly ScratchFolder _scratch = new();

    public static bool HasPython { get; } = !OperatingSystem.IsWindows() && (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(folder => File.Exists(Path.Combine(folder, "python3")));

    public void Dispose() => _scratch.Dispose();

    [Fact(SkipUnless = nameof(HasPython), Skip = "needs python3")]
    public async Task WhatItWritesIsInTheGoldensForm()
    {
        string written = _scratch.Path("reference.safetensors");
        long[] ids;
        using (SafeTensorsFile golden = SafeTensorsFile.Open(GoldenFiles.Path(Golden)))
        {
            ids = golden.ReadInt64("input_ids");
        }
        var start = new ProcessStartInfo("python3", [
            Path.Combine(GoldenFiles.Repository, "tools", "reference", "make_reference.py"), GoldenFiles.Path("tiny-scout"),
            "--ids", string.Join(',', ids), "--rows", "16", "--greedy", "6", "--out", written])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["PYTHONPATH"] = Path.Combine(GoldenFiles.Repository, "Tests", "Reference", "stand-in");
        start.Environment["PYTHONDONTWRITEBYTECODE"] = "1";
        start.Environment["STAND_IN"] = GoldenFiles.Path(Golden);
        using Process process = Process.Start(start)!;
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        Task<string> output = process.StandardOutput.ReadToEndAsync(cancellation), error = process.StandardError.ReadToEndAsync(cancellation);
        await process.WaitForExitAsync(cancellation);
        Assert.True(process.ExitCode == 0, await error);
        Assert.Contains("40 tokens, 16 rows of logits, 6 greedy", await output, StringComparison.Ordinal);
        CliRun run = await CliRun.Of("verify", GoldenFiles.Path("tiny-scout"), "-g", written);
        Assert.True(run.ExitCode == 0, run.Out + run.Error);
        Assert.Contains("200/200", run.Out, StringComparison.Ordinal);
        Assert.Contains("equal", run.Out, StringComparison.Ordinal);
    }
}
