using System.Runtime.InteropServices;
using Llama4Kernels.Engine.Checkpoints.SafeTensors;
using Llama4Kernels.Tests.Tools;

namespace Llama4Kernels.Tests.PtxEmulator.Cases;

/// <summary>The command <c>ptx run</c>: lines, exit codes, files.</summary>
public class PtxRunCommandTests
{
    private const string NotExecuted = "elect_sync";

    [Fact]
    public async Task ACasePassesAndItsOutputsAreWritten()
    {
        using var folder = new ScratchFolder();
        string json = new SmallCase().Write(folder);
        CliRun run = await CliRun.Of("ptx", "run", json, "--out", folder.Path("results"), "--seeds", "2", "--early");
        Assert.Equal("PASS small\n1 passed, 0 failed, 0 not implemented\n", run.Out.ReplaceLineEndings("\n"));
        Assert.Equal(0, run.ExitCode);
        using SafeTensorsFile outputs = SafeTensorsFile.Open(folder.Path("results/small.safetensors"));
        TensorInfo tensor = Assert.Single(outputs.Tensors);
        Assert.Equal(("out.y", SafeTensorsType.U32, 32L), (tensor.Name, tensor.DType, Assert.Single(tensor.Shape)));
        Assert.Equal(100u + (3 * 31), MemoryMarshal.Cast<byte, uint>(outputs.ReadBytes("out.y"))[31]);
    }

    [Fact]
    public async Task EveryCaseOfAFolderHasItsLine()
    {
        using var folder = new ScratchFolder();
        new SmallCase().Write(folder, "a-right");
        var wrong = new SmallCase();
        wrong.Tensors[1] = SmallCase.Numbers("out.y", i => 101 + (3 * i));
        wrong.Write(folder, "b-wrong");
        new SmallCase { Ptx = SmallCase.Kernel.Replace("%r2, 4;", "%r2, 8;", StringComparison.Ordinal) }.Write(folder, "c-finding");
        new SmallCase { Json = "{}" }.Write(folder, "d-broken");
        new SmallCase { Ptx = "nothing" }.Write(folder, "e-module");
        CopyGolden(NotExecuted, folder);
        CliRun run = await CliRun.Of("ptx", "run", Path.GetDirectoryName(folder.Path("x"))!);
        string[] lines = run.Out.ReplaceLineEndings("\n").TrimEnd().Split('\n');
        Assert.Equal(7, lines.Length);
        Assert.Equal("PASS a-right", lines[0]);
        Assert.StartsWith("FAIL b-wrong: out.y[0]: got 100, expected 101, error 1", lines[1], StringComparison.Ordinal);
        Assert.StartsWith("FINDING c-finding: OutOfBounds", lines[2], StringComparison.Ordinal);
        Assert.StartsWith("ERROR d-broken: ", lines[3], StringComparison.Ordinal);
        Assert.StartsWith("ERROR e-module: ", lines[4], StringComparison.Ordinal);
        Assert.StartsWith($"NOT IMPLEMENTED {NotExecuted}: line ", lines[5], StringComparison.Ordinal);
        Assert.Equal("1 passed, 4 failed, 1 not implemented", lines[6]);
        Assert.Equal(1, run.ExitCode);
    }

    [Fact]
    public async Task WhatIsOnlyNotImplementedHasItsOwnExitCode()
    {
        using var folder = new ScratchFolder();
        new SmallCase().Write(folder);
        CopyGolden(NotExecuted, folder);
        CliRun run = await CliRun.Of("ptx", "run", Path.GetDirectoryName(folder.Path("x"))!);
        Assert.Contains("1 passed, 0 failed, 1 not implemented", run.Out, StringComparison.Ordinal);
        Assert.Equal(2, run.ExitCode);
    }

    [Fact]
    public async Task AWrongCallIsOneLine()
    {
        using var folder = new ScratchFolder();
        (await CliRun.Of("ptx", "run", folder.Path("absent.json"))).AssertFails("absent.json");
        (await CliRun.Of("ptx", "run", Path.GetDirectoryName(folder.Path("x"))!)).AssertFails("no cases");
        (await CliRun.Of("ptx", "run", new SmallCase().Write(folder), "--seeds", "0")).AssertFails("--seeds");
    }

    private static void CopyGolden(string name, ScratchFolder folder)
    {
        foreach (string extension in new[] { ".json", ".ptx", ".safetensors" })
        {
            File.Copy(GoldenFiles.Path("ptx", name + extension), folder.Path(name + extension));
        }
    }
}
