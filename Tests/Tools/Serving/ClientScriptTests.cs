using System.Diagnostics;

namespace Llama4Kernels.Tests.Tools.Serving;

/// <summary>Clients of other languages against the server. <c>npm ci</c> in Tests/Tools/Serving/clients brings the JavaScript ones.</summary>
[Collection(SampleServer.Name)]
public sealed class ClientScriptTests(SampleServer sample)
{
    private static string Folder => Path.Combine(GoldenFiles.Repository, "Tests", "Tools", "Serving", "clients");

    [Fact]
    public async Task JavaScriptClientsAreServed()
    {
        Assert.SkipUnless(Find("node") is not null, "node is not installed.");
        Assert.SkipUnless(Directory.Exists(Path.Combine(Folder, "node_modules", "openai")), "The clients are not installed: npm ci in Tests/Tools/Serving/clients.");
        string output = await RunAsync("node", Path.Combine(Folder, "clients.mjs"), new Uri(sample.Client.Server.Address, "v1").ToString(), GoldenFiles.Path("nano", "pictures", "one.png"));
        Assert.True(output.Split('\n').Count(line => line.StartsWith("passed: ", StringComparison.Ordinal)) >= 10, output);
    }

    [Fact]
    public async Task CurlIsServed()
    {
        Assert.SkipUnless(Find("curl") is not null, "curl is not installed.");
        string address = new Uri(sample.Client.Server.Address, "v1/chat/completions").ToString();
        Task<string> Ask(string body, params string[] more) => RunAsync("curl", [address, "--silent", "--show-error", "--noproxy", "*", "-H", "Content-Type: application/json", "-d", body, .. more]);
        Assert.Contains("16", await Ask(Bodies.Chat()), StringComparison.Ordinal);
        Assert.EndsWith("data: [DONE]\n\n", await Ask(Bodies.Chat(more: "\"temperature\": 0, \"stream\": true"), "--no-buffer"), StringComparison.Ordinal);
        Assert.Contains("get_time", await Ask(Bodies.Tools("\"tool_choice\": \"required\"")), StringComparison.Ordinal);
        Assert.EndsWith("400", await Ask("{", "-w", "%{http_code}"), StringComparison.Ordinal);
        Assert.EndsWith("415", await RunAsync("curl", address, "--silent", "--noproxy", "*", "-d", Bodies.Chat(), "-w", "%{http_code}"), StringComparison.Ordinal);
    }

    private static string? Find(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? string.Empty).Split(Path.PathSeparator).Select(folder => Path.Combine(folder, program)).FirstOrDefault(File.Exists);

    private static async Task<string> RunAsync(string program, params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        Task<string> output = process.StandardOutput.ReadToEndAsync(), error = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(120));
        Assert.True(process.ExitCode == 0, $"{program} ended with {process.ExitCode}.\n{await output}\n{await error}");
        return await output;
    }
}
