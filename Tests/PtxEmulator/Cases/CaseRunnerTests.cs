using System.Runtime.InteropServices;
using Llama4Kernels.Cli.Ptx;
using Llama4Kernels.PtxEmulator.Cases;

namespace Llama4Kernels.Tests.PtxEmulator.Cases;

/// <summary>Runs cases, and the whole corpus.</summary>
public class CaseRunnerTests
{
    /// <summary>Cases that need instructions of Hopper.</summary>
    private static readonly string[] s_hopper =
        ["bulk_copy", "cluster_atomics", "cluster_dsmem", "elect_sync", "mbarrier_pipeline", "stmatrix_all", "wgmma_bf16"];

    public static TheoryData<string> Executed => [.. PtxCaseTests.Corpus.Select(row => row.Data).Where(name => !s_hopper.Contains(name))];

    public static TheoryData<string> Hopper => [.. s_hopper];

    [Theory]
    [MemberData(nameof(Executed))]
    public void TheCorpusGivesTheExpectedOutputs(string name)
    {
        PtxCase subject = CaseFiles.Read(GoldenFiles.Path("ptx", name + ".json"));
        CaseResult result = CaseRunner.Run(subject, new CaseOptions(), TestContext.Current.CancellationToken);
        Assert.True(result.Outcome == CaseOutcome.Passed, result.Message);
        Assert.Equal(subject.Rules.Select(rule => rule.Tensor).Order(StringComparer.Ordinal), result.Outputs.Select(output => output.Name).Order(StringComparer.Ordinal));
    }

    [Theory]
    [MemberData(nameof(Hopper))]
    public void WhatHopperNeedsIsNotImplemented(string name)
    {
        string path = GoldenFiles.Path("ptx", name + ".json");
        CaseResult result = CaseRunner.Run(CaseFiles.Read(path), new CaseOptions(), TestContext.Current.CancellationToken);
        Assert.Equal(CaseOutcome.NotImplemented, result.Outcome);
        // The message has the place and an opcode that stands there.
        string[] parts = result.Message.Split('\'');
        int line = int.Parse(parts[0].Split(' ', ',')[1], System.Globalization.CultureInfo.InvariantCulture);
        Assert.Contains(parts[1], File.ReadAllLines(Path.ChangeExtension(path, ".ptx"))[line - 1], StringComparison.Ordinal);
    }

    [Fact]
    public void TheCorpusIsWhole()
    {
        Assert.Equal(92, Executed.Count);
        Assert.Equal(99, PtxCaseTests.Corpus.Count);
    }

    [Fact]
    public void AnOutputBeginsWithItsInitialValue()
    {
        CaseResult result = Run(new SmallCase());
        Assert.Equal((CaseOutcome.Passed, "", "small"), (result.Outcome, result.Message, result.Case));
        Assert.Equal(Enumerable.Range(0, 32).Select(i => 100u + (3 * (uint)i)), Numbers(result));
    }

    [Fact]
    public void AnOutputWithoutInitialValueBeginsWithZeros()
    {
        var small = new SmallCase();
        small.Tensors.RemoveAt(2);
        CaseResult result = Run(small);
        Assert.Equal(CaseOutcome.Failed, result.Outcome);
        Assert.Equal(Enumerable.Range(0, 32).Select(i => 3 * (uint)i), Numbers(result));
        Assert.Equal("out.y[0]: got 0, expected 100, error 100; 32 elements differ", result.Message);
    }

    [Fact]
    public void EverySeedBeginsAfresh()
    {
        CaseResult result = CaseRunner.Run(new SmallCase().Read(), new CaseOptions { Seeds = 3, Early = true }, TestContext.Current.CancellationToken);
        Assert.True(result.Outcome == CaseOutcome.Passed, result.Message);
        var wrong = new SmallCase();
        wrong.Tensors[2] = SmallCase.Numbers("init.y", i => i == 5 ? 99u : 100);
        result = CaseRunner.Run(wrong.Read(), new CaseOptions { Seeds = 3 }, TestContext.Current.CancellationToken);
        Assert.Equal("seed 0: out.y[5]: got 114, expected 115, error 1; 1 element differs", result.Message);
    }

    [Fact]
    public void AFindingEndsTheCase()
    {
        var small = new SmallCase { Ptx = SmallCase.Kernel.Replace("%r2, 4;", "%r2, 8;", StringComparison.Ordinal) };
        CaseResult result = Run(small);
        Assert.Equal(CaseOutcome.Finding, result.Outcome);
        Assert.StartsWith("OutOfBounds in small, line 18", result.Message, StringComparison.Ordinal);
        Assert.Empty(result.Outputs);
    }

    [Fact]
    public void OptionsAndCancellationAreHeeded()
    {
        PtxCase small = new SmallCase().Read();
        Assert.Throws<ArgumentOutOfRangeException>(() => CaseRunner.Run(small, new CaseOptions { Seeds = 0 }, TestContext.Current.CancellationToken));
        Assert.Throws<OperationCanceledException>(() => CaseRunner.Run(small, new CaseOptions(), new CancellationToken(canceled: true)));
    }

    private static CaseResult Run(SmallCase small) => CaseRunner.Run(small.Read(), new CaseOptions(), TestContext.Current.CancellationToken);

    private static uint[] Numbers(CaseResult result) => MemoryMarshal.Cast<byte, uint>(Assert.Single(result.Outputs).Data.Span).ToArray();
}
