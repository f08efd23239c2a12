using Llama4Kernels.Engine.Diagnostics;
using Llama4Kernels.Engine.Generation;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Scheduling;
using Llama4Kernels.Tests.Engine.Model;

namespace Llama4Kernels.Tests.Engine.Diagnostics;

[Collection(nameof(ModelCollection))]
public sealed class ModelRunnerTests(ModelFixture models)
{
    private Llama4Model Scout => models.Get("tiny-scout");

    [Fact]
    public void A_prompt_that_fills_the_context_names_both_numbers()
    {
        using var runner = new ModelRunner(Scout, new EngineOptions { MaxContext = 16 });
        using Sequence sequence = runner.CreateSequence();
        ContextOverflowException error = Assert.Throws<ContextOverflowException>(() => runner.Prefill(sequence, Prompt.FromIds(MetamorphicTests.Ids(16))));
        Assert.Equal((16, 16), (error.Tokens, error.ContextTokens));
        Assert.Contains("16", error.Message);
        Assert.Equal(0, sequence.Length);
        runner.Prefill(sequence, Prompt.FromIds(MetamorphicTests.Ids(15)));
        runner.Decode([sequence], [1]);
        Assert.Throws<ContextOverflowException>(() => runner.Decode([sequence], [1]));
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(1536)]
    [InlineData(int.MaxValue)]
    public void Ids_outside_the_vocabulary_are_refused(int id)
    {
        using var runner = new ModelRunner(Scout);
        using Sequence sequence = runner.CreateSequence();
        ArgumentException error = Assert.Throws<ArgumentException>(() => runner.Prefill(sequence, Prompt.FromIds(1, id)));
        Assert.Contains("1536", error.Message);
        Assert.Throws<ArgumentException>(() => runner.Prefill(sequence, Prompt.FromIds()));
    }

    [Fact]
    public void A_longer_prompt_of_the_same_conversation_reuses_the_cache_and_gives_the_same_logits()
    {
        int[] ids = MetamorphicTests.Ids(80);
        using var runner = new ModelRunner(Scout);
        using Sequence sequence = runner.CreateSequence();
        Assert.Equal(0, runner.Prefill(sequence, Prompt.FromIds(ids[..50])));
        Assert.Equal(50, runner.Prefill(sequence, Prompt.FromIds(ids)));
        float[] reused = runner.Logits().ToArray();
        using Sequence fresh = runner.CreateSequence();
        Assert.Equal(0, runner.Prefill(fresh, Prompt.FromIds(ids)));
        Assert.Equal(runner.Logits().ToArray(), reused);
    }

    [Fact]
    public void Another_prompt_starts_over()
    {
        int[] ids = MetamorphicTests.Ids(60), other = MetamorphicTests.Ids(60, seed: 3);
        using var runner = new ModelRunner(Scout);
        using Sequence sequence = runner.CreateSequence();
        runner.Prefill(sequence, Prompt.FromIds(ids));
        Assert.Equal(0, runner.Prefill(sequence, Prompt.FromIds(other)));
        Assert.Equal(60, sequence.Length);
        float[] after = runner.Logits().ToArray();
        using Sequence fresh = runner.CreateSequence();
        runner.Prefill(fresh, Prompt.FromIds(other));
        Assert.Equal(runner.Logits().ToArray(), after);
    }

    [Fact]
    public void Cancelling_between_steps_leaves_a_clean_cache()
    {
        int[] ids = MetamorphicTests.Ids(64);
        using var runner = new ModelRunner(Scout, new EngineOptions { StepRows = 16 });
        using Sequence sequence = runner.CreateSequence();
        using var cancel = new CancellationTokenSource();
        var progress = new Direct(done =>
        {
            if (done == 32)
            {
                cancel.Cancel();
            }
        });
        Assert.Throws<OperationCanceledException>(() => runner.Prefill(sequence, Prompt.FromIds(ids), progress, cancel.Token));
        Assert.Equal(32, sequence.Length);
        Assert.Equal(32, runner.Prefill(sequence, Prompt.FromIds(ids)));
        float[] resumed = runner.Logits().ToArray();
        using Sequence fresh = runner.CreateSequence();
        runner.Prefill(fresh, Prompt.FromIds(ids));
        Assert.Equal(runner.Logits().ToArray(), resumed);
    }

    [Fact]
    public void Pictures_and_patch_tokens_must_match()
    {
        using var runner = new ModelRunner(Scout);
        using Sequence sequence = runner.CreateSequence();
        int d = Scout.Config.Text.HiddenSize, patch = Scout.Config.ImageToken;
        ArgumentException error = Assert.Throws<ArgumentException>(() => runner.Append(sequence, [1, patch, patch, 2], 3, new float[d], null));
        Assert.Contains("2 patch tokens", error.Message);
        Assert.Contains("1 embeddings", error.Message);
    }

    private sealed class Direct(Action<int> action) : IProgress<int>
    {
        public void Report(int value) => action(value);
    }
}
