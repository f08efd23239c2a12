using System.Text.Json.Nodes;

namespace Llama4Kernels.Tests.Tools;

public sealed class InspectCommandTests
{
    [Fact]
    public async Task SizesAndMemoryAreReported()
    {
        CliRun run = await CliRun.Of("inspect", GoldenFiles.SampleModel, "--json");
        Assert.Equal(0, run.ExitCode);
        JsonNode report = JsonNode.Parse(run.Out)!;
        Assert.Equal(109, report["tensors"]!.GetValue<int>());
        Assert.Equal(7_060_528, report["elements"]!.GetValue<long>());
        Assert.Equal(report["bytes"]!.GetValue<long>(), report["groups"]!.AsArray().Sum(group => group!["bytes"]!.GetValue<long>()));
        Assert.Equal(2 * 7_060_528, report["weights"]!.AsArray().Single(format => format!["format"]!.GetValue<string>() == "bf16")!["bytes"]!.GetValue<long>());
        // Three layers keep one chunk of 512, the NoPE layer keeps all: 2 (K and V) x 2 heads x 64 x 2 bytes each.
        Assert.Equal(512 * ((3 * 512) + 4096), report["cache"]![0]!["bf16Bytes"]!.GetValue<long>());
    }

    [Fact]
    public async Task TheTextNamesTheParts()
    {
        CliRun run = await CliRun.Of("inspect", GoldenFiles.Path("tiny-flat"));
        Assert.Equal(0, run.ExitCode);
        Assert.Contains("vision  none", run.Out, StringComparison.Ordinal);
        Assert.Contains("routed experts", run.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task FaultsAreOneLine()
    {
        using var scratch = new ScratchFolder();
        (await CliRun.Of("inspect", scratch.Path("absent"))).AssertFails("config.json");
        scratch.Write("config.json", "{");
        (await CliRun.Of("inspect", Path.GetDirectoryName(scratch.Path("config.json"))!)).AssertFails("config.json");
        (await CliRun.Of("inspect")).AssertFails("inspect");
        (await CliRun.Of("nonsense")).AssertFails("nonsense");
    }

    [Theory]
    [InlineData("preprocessor_config.json")]
    [InlineData("tokenizer.json")]
    [InlineData("generation_config.json")]
    public async Task WhateverARunWouldRefuseIsRefused(string name)
    {
        using var scratch = new ScratchFolder();
        foreach (string file in Directory.GetFiles(GoldenFiles.SampleModel))
        {
            File.Copy(file, scratch.Path(Path.GetFileName(file)));
        }
        string folder = Path.GetDirectoryName(scratch.Write(name, "version https://git-lfs.github.com/spec/v1", "oid sha256:5", "size 3"))!;
        CliRun run = await CliRun.Of("inspect", folder);
        run.AssertFails("is a Git LFS pointer");
        Assert.Contains(name, run.Error, StringComparison.Ordinal);
        Assert.Contains("109 tensors", run.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AFileInNoFolderIsNamedAsItWasGiven()
    {
        using var scratch = new ScratchFolder();
        CliRun run = await CliRun.Of("logits", GoldenFiles.Path("tiny-flat"), "--tokens", "1,2", "-o", scratch.Path(Path.Combine("absent", "a.safetensors")));
        run.AssertFails("there is no folder");
        Assert.DoesNotContain(".partial", run.Error, StringComparison.Ordinal);
    }
}
