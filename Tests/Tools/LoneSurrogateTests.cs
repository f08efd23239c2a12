using System.Text;
using System.Text.Json.Nodes;
using Llama4Kernels.Cli.Shared;
using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Checkpoints;
using Llama4Kernels.Engine.Checkpoints.Meta;
using Llama4Kernels.Engine.Checkpoints.SafeTensors;
using Llama4Kernels.Engine.Config;
using Llama4Kernels.Engine.Images;
using Llama4Kernels.Engine.Tokenization;
using Llama4Kernels.PtxEmulator.Cases;

namespace Llama4Kernels.Tests.Tools;

/// <summary>
/// The rule: half a surrogate pair in any JSON that is read, as a string or as a name, is that file's fault, named like all
/// others, and never an exception of the JSON library.
/// </summary>
public sealed class LoneSurrogateTests : IDisposable
{
    // A header of tensors has texts of its own in its metadata only.
    private static readonly string[] s_headerDamages = ["\"\\ud800\":{},", "\"__metadata__\":{\"x\":\"\\ud800\"},", "\"__metadata__\":{\"\\udc00\":\"x\"},"];
    private static readonly string[] s_damages = ["\"\\ud800\":1,", "\"x\":\"a\\udc00\",", "\"x\":[{\"y\":\"\\ud83d\\ud83d\"}],", "\"x\":{\"\\ud800\":1,\"\\ud800\":2},"];

    private readonly ScratchFolder _folder = new();

    public static TheoryData<string, string> Files { get; } = new()
    {
        { "config.json", GoldenFiles.Path("tiny-fp8", "config.json") },
        { "generation_config.json", GoldenFiles.Path("tiny-fp8", "generation_config.json") },
        { "hf_quant_config.json", "{\"producer\":{}}" },
        { "model.safetensors.index.json", GoldenFiles.Path("tiny-maverick", "model.safetensors.index.json") },
        { "tokenizer.json", Path.Combine(GoldenFiles.SampleModel, "tokenizer.json") },
        { "preprocessor_config.json", GoldenFiles.Path("tiny-fp8", "preprocessor_config.json") },
        { "processor_config.json", GoldenFiles.Path("cases", "processor-one-patch", "processor_config.json") },
        { "params.json", "{\"dim\":64}" },
        { "model.safetensors", "{\"t\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}" },
        { "tools.json", "{\"tools\":[{\"name\":\"now\"}]}" },
        { "rows.jsonl", "{\"text\":\"a\"}" },
        { "case.json", "{\"kernel\":\"k\"}" },
    };

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Files))]
    public void HalfASurrogatePairIsAFaultOfItsFile(string name, string source)
    {
        string text = source[0] == '{' ? source : File.ReadAllText(source);
        foreach (string damage in name == "model.safetensors" ? s_headerDamages : s_damages)
        {
            string path = _folder.Path(name);
            byte[] json = Encoding.UTF8.GetBytes("{" + damage + text[(text.IndexOf('{', StringComparison.Ordinal) + 1)..]);
            File.WriteAllBytes(path, name == "model.safetensors" ? [.. BitConverter.GetBytes((long)json.Length), .. json] : json);
            Exception e = Assert.ThrowsAny<Exception>(() => Read(name, path));
            Assert.True(e is ModelFormatException or CaseFormatException || (e is InvalidDataException && name == "tools.json"), $"{damage} in {name}: {e}");
            Assert.Contains(name, e.Message, StringComparison.Ordinal);
            Assert.Contains("surrogate", e.Message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("tokenize", "{\"text\":\"\\ud800\"}")]
    [InlineData("tokenize", "{\"\\ud800\":1,\"text\":\"a\"}")]
    [InlineData("parse-answer", "{\"text\":\"\\udc00\"}")]
    [InlineData("tokenize", "{\"repeat\":[null,1]}")]
    [InlineData("tokenize", "{\"text\":\"a\",\"text\":\"b\"}")]
    [InlineData("schemas", "{\"name\":\"\\ud800\",\"schema\":{},\"tests\":[]}")]
    [InlineData("schemas", "{\"\\ud800\":1,\"schema\":{},\"tests\":[]}")]
    public async Task RowsOfABatchNameFileAndLine(string command, string row)
    {
        string file = _folder.Write("in.jsonl", string.Empty, row);
        string[] args = command switch
        {
            "tokenize" => [command, GoldenFiles.SampleModel, "--batch", file],
            "schemas" => [command, file, "--tokenizer", GoldenFiles.SampleModel],
            _ => [command, "--batch", file],
        };
        (await CliRun.Of(args)).AssertFails("line 2");
    }

    [Fact]
    public async Task HalfAPairWithinASchemaIsARowOfTheReport()
    {
        string file = _folder.Write("in.jsonl", "{\"name\":\"half\",\"schema\":{\"const\":\"\\ud800\"},\"tests\":[]}");
        CliRun run = await CliRun.Of("schemas", file, "--tokenizer", GoldenFiles.SampleModel, "--out", _folder.Path("rows.jsonl"));
        JsonNode row = JsonNode.Parse(File.ReadAllText(_folder.Path("rows.jsonl")))!;
        Assert.Equal("half", row["name"]!.GetValue<string>());
        Assert.Equal("refused", row["status"]!.GetValue<string>());
        Assert.True(run.ExitCode is 0 or 1, run.Error);
    }

    private object? Read(string name, string path)
    {
        string folder = Path.GetDirectoryName(path)!;
        switch (name)
        {
            case "config.json":
                return ModelConfig.Load(folder);
            case "generation_config.json" or "hf_quant_config.json":
                File.Copy(GoldenFiles.Path("tiny-fp8", "config.json"), Path.Combine(folder, "config.json"), overwrite: true);
                return ModelConfig.Load(folder);
            case "model.safetensors.index.json":
                using (ShardedCheckpoint checkpoint = ShardedCheckpoint.Open(folder))
                {
                    return null;
                }
            case "tokenizer.json":
                return Llama4Tokenizer.Load(path);
            case "preprocessor_config.json" or "processor_config.json":
                return PreprocessorConfig.Load(folder);
            case "params.json":
                // The file is read before any tensor is asked for.
                return MetaConfig.Translate(folder, null!, 1);
            case "model.safetensors":
                using (SafeTensorsFile file = SafeTensorsFile.Open(path))
                {
                    return null;
                }
            case "tools.json":
                return ToolsFile.Read(path);
            case "rows.jsonl":
                return JsonLines.Read(path).ToList();
            default:
                return CaseJson.Parse(path, File.ReadAllText(path));
        }
    }
}
