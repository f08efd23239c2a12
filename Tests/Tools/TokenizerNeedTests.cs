using Llama4Kernels.Tests.Engine.Checkpoints;
using Llama4Kernels.Tests.Engine.Checkpoints.Gguf;

namespace Llama4Kernels.Tests.Tools;

/// <summary>A checkpoint without a tokenizer serves all commands that have nothing to do with text, and the others say what is missing.</summary>
public sealed class TokenizerNeedTests : IDisposable
{
    private readonly TemporaryFolder _model = new(), _other = new();

    public TokenizerNeedTests()
    {
        _model.CopyModel(GoldenFiles.Path("tiny-flat"));
        foreach (string file in Directory.GetFiles(_model.Path, "tokenizer*"))
        {
            File.Delete(file);
        }
    }

    public void Dispose()
    {
        _model.Dispose();
        _other.Dispose();
    }

    [Theory]
    [InlineData("bench", "-m", "{model}", "-p", "4", "-n", "2", "-r", "1")]
    [InlineData("inspect", "{model}")]
    [InlineData("convert", "{model}", "--out", "{out}")]
    [InlineData("logits", "{model}", "--tokens", "1,2,3", "--out", "{out}")]
    [InlineData("verify", "{model}", "--golden", "{golden}")]
    public async Task CommandsWithoutTextNeedNone(params string[] arguments)
    {
        CliRun run = await CliRun.Of(Filled(arguments));
        Assert.True(run.ExitCode == 0, run.Error);
        if (arguments[0] == "inspect")
        {
            Assert.Contains("without tokenizer", run.Out, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("chat", "Hello!", "-m", "{model}")]
    [InlineData("generate", "Hello!", "-m", "{model}")]
    [InlineData("bench", "-m", "{model}", "--concurrency", "1")]
    [InlineData("tokenize", "Hello!", "-m", "{model}")]
    public async Task CommandsWithTextSayThatThereIsNone(params string[] arguments) =>
        (await CliRun.Of(Filled(arguments))).AssertFails("tokenizer");

    [Fact]
    public async Task TheTokenizerInAGgufFileServesAsOneInAFileOfItsOwn()
    {
        string file = _other.File("nano.gguf");
        using (var nano = new NanoGguf())
        {
            nano.Model().Write(file);
        }
        const string Text = "How many experts does Scout have? <|eot|>";
        string expected = (await CliRun.Of("tokenize", Text, "--special")).Out;
        Assert.Equal(expected, (await CliRun.Of("tokenize", Text, "--special", "-m", file)).Out);
        Assert.Equal(expected, (await CliRun.Of("tokenize", Text, "--special", "-m", _other.Path)).Out);
    }

    private string[] Filled(string[] arguments) => [.. arguments.Select(argument => argument
        .Replace("{model}", _model.Path, StringComparison.Ordinal)
        .Replace("{out}", _other.File("out"), StringComparison.Ordinal)
        .Replace("{golden}", GoldenFiles.Path("tiny-flat", "golden", "text-5.safetensors"), StringComparison.Ordinal))];
}
