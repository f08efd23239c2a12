using Llama4Kernels.Tests.PtxEmulator.Cases;
using Llama4Kernels.Tests.Tools;

namespace Llama4Kernels.Tests.PtxEmulator.Counting;

/// <summary>The command <c>ptx count</c>.</summary>
public class PtxCountCommandTests
{
    [Fact]
    public async Task CountsAndPredictionArePrinted()
    {
        using var folder = new ScratchFolder();
        CliRun run = await CliRun.Of("ptx", "count", new SmallCase().Write(folder));
        Assert.Equal("", run.Error);
        Assert.Equal(0, run.ExitCode);
        Assert.Contains("small, grid (1, 1, 1), block (32, 1, 1)", run.Out, StringComparison.Ordinal);
        // Two loads and a store of 128 bytes in a row.
        Assert.Contains("3 requests, 12 sectors, 4.00 sectors per request, efficiency 100.0 %", run.Out, StringComparison.Ordinal);
        Assert.Contains("256 B read, 128 B written; buffers 256 B", run.Out, StringComparison.Ordinal);
        Assert.Contains("14 warp instructions with 32.0 lanes", run.Out, StringComparison.Ordinal);
        // Both loads are on the way before the first use.
        Assert.Contains("256 B per multiprocessor", run.Out, StringComparison.Ordinal);
        foreach (string term in new[] { "T_hbm", "T_l2", "T_smem", "T_issue", "T_tc", "T_fill", "ramp", "tail", "launch gap", "total", "not measured" })
        {
            Assert.Contains(term, run.Out, StringComparison.Ordinal);
        }
        Assert.DoesNotContain("st.global.u32", run.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task LinesArePrintedOnDemand()
    {
        using var folder = new ScratchFolder();
        CliRun run = await CliRun.Of("ptx", "count", new SmallCase().Write(folder), "--lines", "--registers", "16", "--in-flight", "4096", "--early-launch");
        Assert.Equal(0, run.ExitCode);
        string store = Assert.Single(run.Out.Split('\n'), line => line.Contains("st.global.u32", StringComparison.Ordinal));
        Assert.Equal(["21", "lsu", "1", "32.0", "4", "128", "-", "-", "-", "-"], store.Split('│').Skip(1).Select(cell => cell.Trim()));
        Assert.Contains("4096 B per multiprocessor", run.Out, StringComparison.Ordinal);
    }

    /// <summary>512 threads with 255 registers do not fit; 512 threads that merely declare many do.</summary>
    [Fact]
    public async Task RegistersDecideWhetherABlockFits()
    {
        using var folder = new ScratchFolder();
        var small = new SmallCase();
        small.Json = small.Json.Replace("[32,1,1]", "[512,1,1]", StringComparison.Ordinal);
        small.Ptx = SmallCase.Kernel.Replace("ld.param.u64 %rd1", ".reg .b32 %q<500>;\n" + string.Concat(Enumerable.Range(0, 500).Select(i => $"mov.u32 %q{i}, 1;\n")) + "exit;\nld.param.u64 %rd1", StringComparison.Ordinal);
        string json = small.Write(folder);
        (await CliRun.Of("ptx", "count", json, "--registers", "255")).AssertFails("does not fit");
        CliRun run = await CliRun.Of("ptx", "count", json);
        Assert.Equal(0, run.ExitCode);
        Assert.Contains("; 1 blocks per multiprocessor", run.Out, StringComparison.Ordinal);
        Assert.Contains("0 requests, 0 sectors", run.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task FaultsAreOneLine()
    {
        using var folder = new ScratchFolder();
        string json = new SmallCase().Write(folder);
        (await CliRun.Of("ptx", "count", folder.Path("absent.json"))).AssertFails("absent.json");
        (await CliRun.Of("ptx", "count", json, "--registers", "256")).AssertFails("--registers");
        (await CliRun.Of("ptx", "count", json, "--in-flight", "-1")).AssertFails("--in-flight");
        (await CliRun.Of("ptx", "count", new SmallCase { Json = "{}" }.Write(folder, "empty"))).AssertFails("lacks 'grid'");
        (await CliRun.Of("ptx", "count", new SmallCase { Ptx = SmallCase.Kernel.Replace("%r2, 4;", "%r2, 8;", StringComparison.Ordinal) }.Write(folder, "bounds"))).AssertFails("OutOfBounds");
        (await CliRun.Of("ptx", "count", GoldenFiles.Path("ptx", "elect_sync.json"))).AssertFails("not implemented");
    }
}
