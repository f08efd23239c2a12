using Llama4Kernels.Engine.Checkpoints.SafeTensors;

namespace Llama4Kernels.Tests.Tools;

/// <summary>Weights that are no numbers give logits that are none: every command that computes any says so in one line and ends with 2.</summary>
public sealed class BrokenLogitsTests : IDisposable
{
    private readonly ScratchFolder _scratch = new();

    public BrokenLogitsTests()
    {
        Break("model", [0xc0, 0x7f]);
        Break("endless", [0x80, 0x7f]);
    }

    // One element of the final norm becomes a bfloat16 number.
    private void Break(string name, byte[] number)
    {
        string folder = _scratch.Path(name), weights = Path.Combine(folder, "model.safetensors");
        Directory.CreateDirectory(folder);
        foreach (string file in Directory.GetFiles(GoldenFiles.SampleModel))
        {
            File.Copy(file, Path.Combine(folder, Path.GetFileName(file)));
        }
        long at;
        using (SafeTensorsFile file = SafeTensorsFile.Open(weights))
        {
            TensorInfo norm = file.Get("language_model.model.norm.weight");
            at = new FileInfo(weights).Length - file.DataBytes + norm.Begin;
        }
        using FileStream stream = File.OpenWrite(weights);
        stream.Position = at + 10;
        stream.Write(number);
    }

    public void Dispose() => _scratch.Dispose();

    [Theory]
    [InlineData("chat", "hi", "-t", "0", "-m", "{model}")]
    [InlineData("chat", "hi", "-t", "1", "-m", "{model}")]
    [InlineData("generate", "hi", "-t", "0.7", "-m", "{model}")]
    [InlineData("describe", "{picture}", "-m", "{model}")]
    [InlineData("bench", "-m", "{model}", "--prompt-tokens", "4", "--new-tokens", "2")]
    [InlineData("bench", "-m", "{model}", "--prompt-tokens", "4", "--new-tokens", "2", "--concurrency", "2", "--requests", "2")]
    [InlineData("eval", "{questions}", "-m", "{model}", "-n", "2")]
    [InlineData("eval", "--perplexity", "{text}", "-m", "{model}")]
    [InlineData("eval", "--perplexity", "{text}", "-m", "{sample}", "--against", "{model}")]
    [InlineData("verify", "{model}", "-g", "{golden}")]
    [InlineData("logits", "{model}", "--tokens", "1,2,3", "-o", "{out}")]
    public async Task OneLineAndExitCodeTwo(params string[] arguments)
    {
        foreach ((string model, string expected) in ((string, string)[])[("model", "NaN"), ("endless", "logit")])
        {
            CliRun run = await CliRun.Of([.. arguments.Select(argument => argument
                .Replace("{model}", _scratch.Path(model), StringComparison.Ordinal).Replace("{out}", _scratch.Path("out.safetensors"), StringComparison.Ordinal)
                .Replace("{sample}", GoldenFiles.SampleModel, StringComparison.Ordinal)
                .Replace("{questions}", _scratch.Write("questions.jsonl", """{"messages": [{"role": "user", "content": "hi"}]}"""), StringComparison.Ordinal)
                .Replace("{text}", _scratch.Write("text.txt", "hello world"), StringComparison.Ordinal)
                .Replace("{picture}", GoldenFiles.Path("pictures", "small.png"), StringComparison.Ordinal)
                .Replace("{golden}", GoldenFiles.Path("nano", "golden", "chat-fact.safetensors"), StringComparison.Ordinal))]);
            run.AssertFails(expected);
        }
    }
}
