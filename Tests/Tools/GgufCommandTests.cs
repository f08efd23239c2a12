using Llama4Kernels.Tests.Engine.Checkpoints;
using Llama4Kernels.Tests.Engine.Checkpoints.Gguf;

namespace Llama4Kernels.Tests.Tools;

/// <summary>The sample model as GGUF, on the command line: a file, a folder with one, with its projector found and named.</summary>
public sealed class GgufCommandTests : IDisposable
{
    private const string Question = "How many experts does Scout have?", Answer = "Scout has 16 experts.";

    private readonly TemporaryFolder _folder = new();

    public GgufCommandTests()
    {
        using var nano = new NanoGguf();
        nano.Model().Write(_folder.File("nano-BF16.gguf"));
        Directory.CreateDirectory(_folder.File("other"));
        nano.Projector().Write(_folder.File("other/vision.gguf"));
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task ChatTakesTheFileAndTheFolder()
    {
        foreach (string path in (string[])[_folder.File("nano-BF16.gguf"), _folder.Path])
        {
            CliRun run = await CliRun.Of("chat", "-m", path, "-t", "0", Question);
            Assert.Equal((0, Answer), (run.ExitCode, run.Out.Trim()));
        }
    }

    [Fact]
    public async Task PicturesNeedTheProjector()
    {
        string picture = GoldenFiles.Path("nano", "pictures", "wide.png");
        (await CliRun.Of("describe", picture, "-m", _folder.Path)).AssertFails("no vision");
        string[] named = ["describe", picture, "-m", _folder.Path, "--mmproj", _folder.File("other/vision.gguf")];
        CliRun run = await CliRun.Of(named);
        Assert.Contains("a green square, a blue circle and a green square", run.Out, StringComparison.Ordinal);
        File.Copy(_folder.File("other/vision.gguf"), _folder.File("mmproj-nano.gguf"));
        Assert.Equal(run.Out, (await CliRun.Of(named[..4])).Out);
        File.WriteAllText(_folder.File("mmproj-nano.gguf"), "broken");
        (await CliRun.Of(named[..4])).AssertFails("mmproj-nano.gguf: is no GGUF file");
        Assert.Equal(run.Out, (await CliRun.Of(named)).Out);
        CliRun inspected = await CliRun.Of("inspect", _folder.Path);
        inspected.AssertFails("mmproj-nano.gguf: is no GGUF file");
    }
}
