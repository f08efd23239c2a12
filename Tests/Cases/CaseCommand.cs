using System.Diagnostics;
using System.Text;
using Llama4Kernels.Cli;
using Llama4Kernels.Cli.Shared;

namespace Llama4Kernels.Tests.Cases;

/// <summary>Runs a command in this process, or as a process of its own where descriptors, folders or the environment matter.</summary>
internal sealed record CaseCommand(string[] Arguments)
{
    /// <summary>Variables of the environment.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    /// <summary>The working folder, if it matters.</summary>
    public string? Folder { get; init; }

    /// <summary>There is no standard input at all.</summary>
    public bool InputClosed { get; init; }

    /// <summary>Bytes of output to read before the pipe is closed.</summary>
    public int? Reads { get; init; }

    /// <summary>Seconds until it has failed.</summary>
    public int Timeout { get; init; } = 60;

    private bool NeedsProcess => Environment.Count > 0 || Folder is not null || InputClosed || Reads is not null;

    public async Task<CaseOutcome> RunAsync()
    {
        using CancellationTokenSource late = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        late.CancelAfter(TimeSpan.FromSeconds(Timeout));
        if (NeedsProcess)
        {
            return await RunProcessAsync(late.Token);
        }
        using StringWriter output = new(), error = new();
        int code = await CommandLine.RunAsync(Arguments, new CommandConsole(new StringReader(""), output, error, new Interrupts()), late.Token);
        return new CaseOutcome(code, output.ToString(), error.ToString());
    }

    private async Task<CaseOutcome> RunProcessAsync(CancellationToken late)
    {
        string program = Path.Combine(AppContext.BaseDirectory, "llama4.dll");
        string[] command = ["dotnet", program, .. Arguments];
        ProcessStartInfo start = InputClosed
            ? new ProcessStartInfo("/bin/sh", ["-c", "exec \"$@\" <&-", "sh", .. command])
            : new ProcessStartInfo(command[0], command[1..]) { RedirectStandardInput = true };
        start.RedirectStandardOutput = start.RedirectStandardError = true;
        start.StandardOutputEncoding = start.StandardErrorEncoding = Encoding.UTF8;
        start.WorkingDirectory = Folder ?? Path.GetTempPath();
        foreach ((string name, string value) in Environment)
        {
            start.Environment[name] = value;
        }
        using Process process = Process.Start(start)!;
        try
        {
            if (!InputClosed)
            {
                process.StandardInput.Close();
            }
            Task<string> error = process.StandardError.ReadToEndAsync(late);
            string output;
            if (Reads is int count)
            {
                byte[] bytes = new byte[count];
                await process.StandardOutput.BaseStream.ReadAtLeastAsync(bytes, count, throwOnEndOfStream: false, late);
                process.StandardOutput.Close();
                output = Encoding.UTF8.GetString(bytes);
            }
            else
            {
                output = await process.StandardOutput.ReadToEndAsync(late);
            }
            await process.WaitForExitAsync(late);
            int code = process.ExitCode > 128 ? 128 - process.ExitCode : process.ExitCode;
            return new CaseOutcome(code, output, await error);
        }
        finally
        {
            if (!process.HasExited)
            {
                process.Kill();
            }
        }
    }
}
