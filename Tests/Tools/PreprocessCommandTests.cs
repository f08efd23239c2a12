using System.Text.Json.Nodes;

namespace Llama4Kernels.Tests.Tools;

public sealed class PreprocessCommandTests
{
    private static readonly string[] s_fields = ["file", "config", "aspect_ratio", "resized", "tiles", "tokens", "sha256_rgb", "sha256_u8", "sha256_bf16"];

    [Fact]
    public async Task BatchReproducesTheReferenceRows()
    {
        using var scratch = new ScratchFolder();
        string[] rows = [.. File.ReadLines(GoldenFiles.Path("images", "manifest.jsonl")).Where(row =>
            row.Contains(".png", StringComparison.Ordinal) && !row.Contains(".jpg", StringComparison.Ordinal)
            && row.Contains("\"reference\":\"meta\"", StringComparison.Ordinal) && row.Contains("\"tile\":56", StringComparison.Ordinal))];
        Assert.NotEmpty(rows);
        CliRun run = await CliRun.Of("preprocess", "--batch", scratch.Write("in.jsonl", rows), "--folder", GoldenFiles.Path("images"), "--out", scratch.Path("out.jsonl"));
        Assert.Equal(0, run.ExitCode);
        foreach ((string expected, string actual) in rows.Zip(File.ReadAllLines(scratch.Path("out.jsonl"))))
        {
            JsonObject reference = JsonNode.Parse(expected)!.AsObject();
            JsonObject row = JsonNode.Parse(actual)!.AsObject();
            Assert.Equal(s_fields, row.Select(field => field.Key));
            Assert.All(s_fields, field => Assert.Equal(reference[field]!.ToJsonString(), row[field]!.ToJsonString()));
        }
    }

    [Fact]
    public async Task AnUnusablePictureBecomesARowWithAnError()
    {
        using var scratch = new ScratchFolder();
        string input = scratch.Write("in.jsonl", """{"file": "bad/text.png"}""", """{"file": "rgb_7x5.png"}""", """{"file": "absent.png"}""");
        CliRun run = await CliRun.Of("preprocess", "--batch", input, "--folder", GoldenFiles.Path("images"));
        JsonNode[] rows = [.. run.Out.TrimEnd().Split('\n').Select(line => JsonNode.Parse(line)!)];
        Assert.Equal(0, run.ExitCode);
        Assert.NotNull(rows[0]["error"]);
        Assert.Null(rows[1]["error"]);
        Assert.NotNull(rows[1]["sha256_u8"]);
        Assert.NotNull(rows[2]["error"]);
        Assert.Contains($"{input}: 2 of 3 rows have an error in place of a result; the first is 'bad/text.png': ", Assert.Single(run.Error.TrimEnd().Split('\n')), StringComparison.Ordinal);
    }

    [Fact]
    public async Task OnePictureIsDescribed()
    {
        CliRun run = await CliRun.Of("preprocess", GoldenFiles.Path("images", "rgb_672x336.png"), "--tile", "336");
        Assert.Equal(0, run.ExitCode);
        Assert.Contains("[1,2]", run.Out, StringComparison.Ordinal);
        Assert.Contains("437", run.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task FaultsAreOneLine()
    {
        (await CliRun.Of("preprocess", GoldenFiles.Path("images", "bad", "text.png"))).AssertFails("text.png");
        (await CliRun.Of("preprocess", "absent.png")).AssertFails("absent.png");
        (await CliRun.Of("preprocess")).AssertFails("--batch");
        (await CliRun.Of("preprocess", GoldenFiles.Path("images", "rgb_7x5.png"), "--tile", "10")).AssertFails("multiple of 28");
    }
}
