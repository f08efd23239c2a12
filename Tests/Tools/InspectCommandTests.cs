using System.Text.Json.Nodes;

namespace Llama4Kernels.Tests.Tools;

public sealed class InspectCommandTests
{
    [Fact]
    public async Task Sizes_and_memory_are_reported()
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
    public async Task The_text_names_the_parts()
    {
        CliRun run = await CliRun.Of("inspect", GoldenFiles.Path("tiny-flat"));
        Assert.Equal(0, run.ExitCode);
        Assert.Contains("vision  none", run.Out, StringComparison.Ordinal);
        Assert.Contains("routed experts", run.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Faults_are_one_line()
    {
        using var scratch = new ScratchFolder();
        (await CliRun.Of("inspect", scratch.Path("absent"))).AssertFails("config.json");
        scratch.Write("config.json", "{");
        (await CliRun.Of("inspect", Path.GetDirectoryName(scratch.Path("config.json"))!)).AssertFails("config.json");
        (await CliRun.Of("inspect")).AssertFails("inspect");
        (await CliRun.Of("nonsense")).AssertFails("nonsense");
    }
}
