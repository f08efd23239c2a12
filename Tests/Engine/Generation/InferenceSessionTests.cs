using Llama4Kernels.Engine.Generation;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Tests.Engine.Model;

namespace Llama4Kernels.Tests.Engine.Generation;

[Collection(nameof(ModelCollection))]
public sealed class InferenceSessionTests(ModelFixture models)
{
    private Llama4Model Scout => models.Get("tiny-scout");

    [Fact]
    public void A_prompt_that_fills_the_context_names_both_numbers()
    {
        using var session = new InferenceSession(Scout, new SessionOptions { MaxContext = 16 });
        using Sequence sequence = session.CreateSequence();
        ContextOverflowException error = Assert.Throws<ContextOverflowException>(() => session.Prefill(sequence, Prompt.FromIds(MetamorphicTests.Ids(16))));
        Assert.Equal((16, 16), (error.PromptTokens, error.ContextTokens));
        Assert.Contains("16", error.Message);
        Assert.Equal(0, sequence.Length);
        session.Prefill(sequence, Prompt.FromIds(MetamorphicTests.Ids(15)));
        session.Decode([sequence], [1]);
        Assert.Throws<ContextOverflowException>(() => session.Decode([sequence], [1]));
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(1536)]
    [InlineData(int.MaxValue)]
    public void Ids_outside_the_vocabulary_are_refused(int id)
    {
        using var session = new InferenceSession(Scout);
        using Sequence sequence = session.CreateSequence();
        ArgumentException error = Assert.Throws<ArgumentException>(() => session.Prefill(sequence, Prompt.FromIds(1, id)));
        Assert.Contains("1536", error.Message);
        Assert.Throws<ArgumentException>(() => session.Prefill(sequence, Prompt.FromIds()));
    }

    [Fact]
    public void A_longer_prompt_of_the_same_conversation_reuses_the_cache_and_gives_the_same_logits()
    {
        int[] ids = MetamorphicTests.Ids(80);
        using var session = new InferenceSession(Scout);
        using Sequence sequence = session.CreateSequence();
        Assert.Equal(0, session.Prefill(sequence, Prompt.FromIds(ids[..50])));
        Assert.Equal(50, session.Prefill(sequence, Prompt.FromIds(ids)));
        float[] reused = session.Logits().ToArray();
        using Sequence fresh = session.CreateSequence();
        Assert.Equal(0, session.Prefill(fresh, Prompt.FromIds(ids)));
        Assert.True(Compare.RangeError(reused, session.Logits()) <= 2e-6);
    }

    [Fact]
    public void Another_prompt_starts_over()
    {
        int[] ids = MetamorphicTests.Ids(60), other = MetamorphicTests.Ids(60, seed: 3);
        using var session = new InferenceSession(Scout);
        using Sequence sequence = session.CreateSequence();
        session.Prefill(sequence, Prompt.FromIds(ids));
        Assert.Equal(0, session.Prefill(sequence, Prompt.FromIds(other)));
        Assert.Equal(60, sequence.Length);
        float[] after = session.Logits().ToArray();
        using Sequence fresh = session.CreateSequence();
        session.Prefill(fresh, Prompt.FromIds(other));
        Assert.Equal(session.Logits().ToArray(), after);
    }

    [Fact]
    public void Cancelling_between_steps_leaves_a_clean_cache()
    {
        int[] ids = MetamorphicTests.Ids(64);
        using var session = new InferenceSession(Scout, new SessionOptions { StepRows = 16 });
        using Sequence sequence = session.CreateSequence();
        using var cancel = new CancellationTokenSource();
        var progress = new Direct(done =>
        {
            if (done == 32)
            {
                cancel.Cancel();
            }
        });
        Assert.Throws<OperationCanceledException>(() => session.Prefill(sequence, Prompt.FromIds(ids), progress, cancel.Token));
        Assert.Equal(32, sequence.Length);
        Assert.Equal(32, session.Prefill(sequence, Prompt.FromIds(ids)));
        float[] resumed = session.Logits().ToArray();
        using Sequence fresh = session.CreateSequence();
        session.Prefill(fresh, Prompt.FromIds(ids));
        Assert.True(Compare.RangeError(resumed, session.Logits()) <= 2e-6);
    }

    [Fact]
    public void Pictures_and_patch_tokens_must_match()
    {
        using var session = new InferenceSession(Scout);
        using Sequence sequence = session.CreateSequence();
        int d = Scout.Config.Text.HiddenSize, patch = Scout.Config.ImageToken;
        ArgumentException error = Assert.Throws<ArgumentException>(() => session.Append(sequence, [1, patch, patch, 2], 3, new float[d], null));
        Assert.Contains("2 patch tokens", error.Message);
        Assert.Contains("1 embeddings", error.Message);
    }

    private sealed class Direct(Action<int> action) : IProgress<int>
    {
        public void Report(int value) => action(value);
    }
}
