using Llama4Kernels.Engine;
using Llama4Kernels.Engine.KvCache;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Scheduling;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Tests.Engine.Model;

namespace Llama4Kernels.Tests.Engine.Scheduling;

/// <summary>Steps that make no sense are refused before anything changes.</summary>
[Collection(nameof(ModelCollection))]
public sealed class StepRunnerTests(ModelFixture models)
{
    private static readonly EngineOptions s_sizes = new() { StepRows = 16, MaxLogitRows = 3, BlockTokens = 8, MaxContext = 64 };

    private Llama4Model Scout => models.Get("tiny-scout");

    [Fact]
    public void ASequenceStandsInAStepOnce()
    {
        using var runner = new StepRunner(Scout, s_sizes);
        using Sequence sequence = runner.CreateSequence();
        sequence.Append([1, 2, 3]);
        ArgumentException error = Assert.Throws<ArgumentException>(() => runner.Run([new(sequence, 1, 0), new(sequence, 1, 0)]));
        Assert.Contains("twice", error.Message);
        Assert.Equal((0, 3, 0L), (sequence.Length, sequence.Pending, runner.Pool.UsedBytes));
    }

    [Fact]
    public void AnotherRunnersSequenceIsRefused()
    {
        using StepRunner runner = new(Scout, s_sizes), other = new(Scout, s_sizes with { BlockTokens = 16 });
        using Sequence own = runner.CreateSequence(), foreign = other.CreateSequence();
        own.Append([1]);
        foreign.Append([1]);
        Assert.Throws<ArgumentException>(() => runner.Run([new(own, 1, 1), new(foreign, 1, 1)]));
        Assert.Equal((0, 0), (own.Length, foreign.Length));
        Assert.Equal(0, runner.Pool.UsedBytes + other.Pool.UsedBytes);
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(4, 0)]
    [InlineData(1, 2)]
    [InlineData(1, -1)]
    [InlineData(-1, 0)]
    public void APartHasRowsThatArePendingAndWantsSomeOfThem(int rows, int logits)
    {
        using var runner = new StepRunner(Scout, s_sizes);
        using Sequence sequence = runner.CreateSequence();
        sequence.Append([1, 2, 3]);
        Assert.Throws<ArgumentException>(() => runner.Run([new(sequence, rows, logits)]));
        Assert.Throws<ArgumentException>(() => runner.Run([]));
        Assert.Equal(3, sequence.Pending);
    }

    [Fact]
    public void AStepKeepsToItsRowsItsLogitsAndTheChunk()
    {
        using var runner = new StepRunner(Scout, s_sizes);
        using Sequence sequence = runner.CreateSequence();
        sequence.Append(MetamorphicTests.Ids(50));
        Assert.Contains("16", Assert.Throws<ArgumentException>(() => runner.Run([new(sequence, 17, 0)])).Message);
        Assert.Throws<ArgumentException>(() => runner.Run([new(sequence, 16, 4)]));
        runner.Run([new(sequence, 16, 3)]);
        runner.Run([new(sequence, 14, 0)]);
        Assert.Contains("chunk", Assert.Throws<ArgumentException>(() => runner.Run([new(sequence, 3, 0)])).Message);
        runner.Run([new(sequence, 2, 0)]);
        runner.Run([new(sequence, 3, 0)]);
        Assert.Equal(35, sequence.Length);
    }

    [Fact]
    public void TokensBeyondTheContextOrTheVocabularyAreNotTaken()
    {
        using var runner = new StepRunner(Scout, s_sizes);
        using Sequence sequence = runner.CreateSequence();
        sequence.Append(MetamorphicTests.Ids(60));
        ContextOverflowException error = Assert.Throws<ContextOverflowException>(() => sequence.Append([1, 2, 3, 4, 5]));
        Assert.Equal((65, 64), (error.Tokens, error.ContextTokens));
        Assert.DoesNotContain("prompt", error.Message);
        Assert.Throws<ArgumentException>(() => sequence.Append([1, 1536]));
        Assert.Equal(60, sequence.Pending);
    }

    [Fact]
    public void OnlyWantedRowsHaveLogitsAndOnlyUntilTheNextStep()
    {
        using var runner = new StepRunner(Scout, s_sizes);
        using Sequence a = runner.CreateSequence(), b = runner.CreateSequence();
        a.Append([1, 2, 3, 4]);
        b.Append([5, 6]);
        Assert.Throws<InvalidOperationException>(() => default(StepResult).Logits(0));
        StepResult result = runner.Run([new(a, 3, 2), new(b, 1, 0)]);
        Assert.NotEqual(result.Logits(0).ToArray(), result.Logits(0, 1).ToArray());
        Assert.Throws<ArgumentOutOfRangeException>(() => result.Logits(0, 2));
        Assert.Throws<ArgumentOutOfRangeException>(() => result.Logits(0, -1));
        Assert.Throws<ArgumentOutOfRangeException>(() => result.Logits(1));
        Assert.Throws<ArgumentOutOfRangeException>(() => result.Logits(2));
        runner.Run([new(a, 1, 1)]);
        Assert.Throws<InvalidOperationException>(() => result.Logits(0));
    }

    [Fact]
    public void AFullCacheFailsTheStepAndChangesNothing()
    {
        long bytes = StepRunner.CacheBytes(Scout, s_sizes, 16, 1);
        using var runner = new StepRunner(Scout, s_sizes with { CacheBytes = bytes });
        using Sequence a = runner.CreateSequence(), b = runner.CreateSequence();
        a.Append(MetamorphicTests.Ids(9));
        b.Append(MetamorphicTests.Ids(9));
        runner.Run([new(a, 8, 0)]);
        CacheFullException error = Assert.Throws<CacheFullException>(() => runner.Run([new(a, 1, 1), new(b, 8, 0)]));
        Assert.Equal(bytes, error.BudgetBytes);
        Assert.Equal((8, 0), (a.Length, b.Length));
        runner.Run([new(a, 1, 1)]);
        a.Dispose();
        runner.Run([new(b, 8, 0)]);
        runner.Run([new(b, 1, 1)]);
        Assert.Equal(9, b.Length);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    public void OptionsValidateThemselves(int value)
    {
        Assert.Throws<ArgumentException>(() => new EngineOptions { MaxContext = value });
        Assert.Throws<ArgumentException>(() => new EngineOptions { StepRows = value });
        Assert.Throws<ArgumentException>(() => new EngineOptions { MaxLogitRows = value });
        Assert.Throws<ArgumentException>(() => new EngineOptions { BlockTokens = value });
        Assert.Throws<ArgumentException>(() => new EngineOptions { CacheBytes = value });
        Assert.Throws<ArgumentException>(() => new EngineOptions { CacheFormat = (KvFormat)(value - 1) });
        Assert.Throws<ArgumentException>(() => new EngineOptions { BlockTokens = 65537 });
    }
}
