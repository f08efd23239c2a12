using System.Text.Json.Nodes;

namespace Llama4Kernels.Tests.Tools;

/// <summary><c>llama4 schemas</c>: what it says of each row and of all together, and its exit code.</summary>
public class SchemasCommandTests
{
    [Theory]
    [InlineData("1")]
    [InlineData("2")]
    public async Task EachRowHasItsStatusAndAllTheirTimes(string threads)
    {
        using var folder = new ScratchFolder();
        string file = folder.Write(
            "in.jsonl",
            """
            {"name":"kept","schema":{"properties":{"a":{"type":"integer"}},"required":["a"]},"tests":[{"valid":true,"data":{"b":[],"a":1}},{"valid":false,"data":{"a":"x"}}]}

            {"name":"refused","schema":{"properties":{"a":{"unevaluatedItems":false}}},"tests":[{"valid":true,"data":{}}]}
            {"name":"stopped","schema":{"type":"integer"},"tests":[{"valid":true,"data":"text"}]}
            {"name":"passed","schema":{"type":"string"},"tests":[{"valid":true,"data":3},{"valid":false,"data":"text"}]}
            """);
        string rows = folder.Path("out.jsonl");
        CliRun run = await CliRun.Of("schemas", file, "--tokenizer", GoldenFiles.SampleModel, "--threads", threads, "--out", rows, "--json");
        // Judged wrongly is a difference, not an error.
        Assert.Equal(1, run.ExitCode);
        JsonNode[] verdicts = [.. File.ReadAllLines(rows).Select(line => JsonNode.Parse(line)!)];
        Assert.Equal(
            [("kept", "ok"), ("refused", "refused"), ("stopped", "valid_stopped"), ("passed", "invalid_passed")],
            verdicts.Select(row => (row["name"]!.GetValue<string>(), row["status"]!.GetValue<string>())));
        Assert.Equal(("unevaluatedItems", "#/properties/a"), (verdicts[1]["keyword"]!.GetValue<string>(), verdicts[1]["place"]!.GetValue<string>()));
        Assert.Contains("instance 0", verdicts[2]["detail"]!.GetValue<string>(), StringComparison.Ordinal);
        // What is let through weighs more than what is stopped before it.
        Assert.Contains("instance 1", verdicts[3]["detail"]!.GetValue<string>(), StringComparison.Ordinal);
        JsonNode report = JsonNode.Parse(run.Out)!;
        Assert.Equal(
            """{"ok":1,"refused":1,"valid_stopped":1,"invalid_passed":1,"error":0}""", report["counts"]!.ToJsonString());
        Assert.Equal(3, report["compile"]!["count"]!.GetValue<int>());
        foreach (string kind in (string[])["mask", "compile"])
        {
            double[] times = [.. ((string[])["meanMicroseconds", "p99Microseconds", "maxMicroseconds"]).Select(name => report[kind]![name]!.GetValue<double>())];
            Assert.True(times[0] > 0 && times[0] <= times[2] && times[1] <= times[2], report.ToJsonString());
            Assert.True(report[kind]!["count"]!.GetValue<int>() > 2);
        }
    }

    [Fact]
    public async Task WhereAllIsKeptTheExitCodeIsZero()
    {
        using var folder = new ScratchFolder();
        string file = folder.Write("in.jsonl", """{"schema":{"enum":[1,"a"]},"tests":[{"valid":true,"data":"a"},{"valid":false,"data":2}]}""");
        CliRun run = await CliRun.Of("schemas", file, "--tokenizer", GoldenFiles.SampleModel);
        Assert.Equal(0, run.ExitCode);
        Assert.Matches("ok .* 1 .* 100.0 %", run.Out);
    }
}
