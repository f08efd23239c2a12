using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Diagnostics;
using Llama4Kernels.Engine.Images;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Scheduling;
using Llama4Kernels.Tests.Engine.Model;

namespace Llama4Kernels.Tests.Engine.Diagnostics;

[Collection(nameof(ModelCollection))]
public sealed class ModelRunnerTests(ModelFixture models)
{
    private Llama4Model Scout => models.Get("tiny-scout");

    [Fact]
    public void APromptThatFillsTheContextNamesBothNumbers()
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
    public void IdsOutsideTheVocabularyAreRefused(int id)
    {
        using var runner = new ModelRunner(Scout);
        using Sequence sequence = runner.CreateSequence();
        ArgumentException error = Assert.Throws<ArgumentException>(() => runner.Prefill(sequence, Prompt.FromIds(1, id)));
        Assert.Contains("1536", error.Message);
        Assert.Throws<ArgumentException>(() => runner.Prefill(sequence, Prompt.FromIds()));
    }

    /// <summary>What is cached of other prompts is the engine's to share, in one way: a runner computes what it is given.</summary>
    [Fact]
    public void APromptBeginsASequence()
    {
        int[] ids = MetamorphicTests.Ids(80);
        using var runner = new ModelRunner(Scout);
        using Sequence sequence = runner.CreateSequence();
        runner.Prefill(sequence, Prompt.FromIds(ids[..50]));
        ArgumentException error = Assert.Throws<ArgumentException>(() => runner.Prefill(sequence, Prompt.FromIds(ids)));
        Assert.Contains("holds 50 tokens", error.Message, StringComparison.Ordinal);
        Assert.Equal((50, 0), (sequence.Length, sequence.Pending));
        runner.Append(sequence, ids[50..], 29, null);
        float[] appended = runner.Logits().ToArray();
        using Sequence fresh = runner.CreateSequence();
        runner.Prefill(fresh, Prompt.FromIds(ids));
        Assert.Equal(runner.Logits().ToArray(), appended);
    }

    [Fact]
    public void CancellingBetweenStepsLeavesACleanCache()
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
        runner.Append(sequence, ids[32..], 31, null);
        float[] resumed = runner.Logits().ToArray();
        using Sequence fresh = runner.CreateSequence();
        runner.Prefill(fresh, Prompt.FromIds(ids));
        Assert.Equal(runner.Logits().ToArray(), resumed);
    }

    [Fact]
    public void PicturesAndPatchTokensMustMatch()
    {
        int patch = Scout.Config.ImageToken, pixels = 3 * Scout.ImageOptions.Tile * Scout.ImageOptions.Tile;
        var options = new RunOptions { PixelValues = new ushort[pixels], Tiles = 1 };
        ArgumentException error = Assert.Throws<ArgumentException>(() => ModelRunner.Run(Scout, [1, patch, patch, 2], options));
        Assert.Contains("2 patch tokens", error.Message);
        Assert.Contains($"{Scout.TokensPerTile} embeddings", error.Message);
        int[] right = [1, .. Enumerable.Repeat(patch, Scout.TokensPerTile), 2];
        error = Assert.Throws<ArgumentException>(() => ModelRunner.Run(Scout, right, options with { PixelValues = new ushort[pixels - 1] }));
        Assert.Contains($"1 tiles need {pixels} pixel values, got {pixels - 1}", error.Message);
        Assert.Throws<ArgumentException>(() => ModelRunner.Run(Scout, [1, 2], options with { PixelValues = [], Tiles = 0 }));
    }

    [Fact]
    public void APromptThatIsRefusedLeavesTheSequenceAsItWas()
    {
        Llama4Model nano = models.Get("nano");
        using var runner = new ModelRunner(nano, new EngineOptions { MaxContext = 64 });
        using Sequence sequence = runner.CreateSequence();
        PreprocessedImage image = ImagePreprocessor.Process(ImageDecoder.Decode(GoldenFiles.Path("nano", "pictures", "one.png")), nano.ImageOptions with { MaxTiles = 1 });
        Prompt[] refused =
        [
            nano.Chat.EncodeCompletion([new ImageContent(1, 1)]),
            nano.Chat.EncodeCompletion([new ImageContent(ImagePreprocessor.Process(ImageDecoder.Decode(GoldenFiles.Path("nano", "pictures", "one.png")), new TileOptions(nano.ImageOptions.Tile / 2, 1)))]),
            Prompt.FromIds(9, -1),
            Prompt.FromIds(new int[64]),
        ];
        foreach (Prompt prompt in refused)
        {
            Assert.ThrowsAny<Exception>(() => runner.Prefill(sequence, prompt));
            Assert.Equal((0, 0), (sequence.Length, sequence.Pending));
        }
        using var cancelled = new CancellationTokenSource();
        cancelled.Cancel();
        Prompt right = nano.Chat.EncodeCompletion([new ImageContent(image)]);
        Assert.ThrowsAny<OperationCanceledException>(() => runner.Prefill(sequence, right, null, cancelled.Token));
        Assert.Equal((0, 0), (sequence.Length, sequence.Pending));
        runner.Prefill(sequence, Prompt.FromIds(1, 2, 3, 4));
        Assert.Equal(4, sequence.Length);
    }

    [Fact]
    public void AStepOfTwoThatOneDoesNotFitChangesNeither()
    {
        using var runner = new ModelRunner(Scout, new EngineOptions { MaxContext = 16 });
        using ModelRunner elsewhere = new(Scout, new EngineOptions { MaxContext = 16 });
        using Sequence full = runner.CreateSequence(), other = runner.CreateSequence(), foreign = elsewhere.CreateSequence();
        runner.Append(full, MetamorphicTests.Ids(16), 15, null);
        runner.Prefill(other, Prompt.FromIds(5, 6));
        Assert.Throws<ContextOverflowException>(() => runner.Append(other, MetamorphicTests.Ids(15), 0, null));
        Assert.Throws<ContextOverflowException>(() => runner.Decode([other, full], [1, 1]));
        Assert.Throws<ArgumentException>(() => runner.Decode([other, foreign], [1, 1]));
        Assert.Throws<ArgumentException>(() => runner.Decode([other, other], [1, 1]));
        Assert.Throws<ArgumentException>(() => runner.Decode([other], [1536]));
        Assert.Throws<ArgumentException>(() => runner.Prefill(foreign, Prompt.FromIds(1)));
        Assert.Equal((2, 0, 16, 0), (other.Length, other.Pending, full.Length, foreign.Length + foreign.Pending));
        runner.Decode([other], [7]);
        float[] after = runner.Logits().ToArray();
        Assert.Throws<ArgumentOutOfRangeException>(() => runner.Logits(1));
        using Sequence fresh = runner.CreateSequence();
        runner.Prefill(fresh, Prompt.FromIds(5, 6, 7));
        Assert.Equal(runner.Logits().ToArray(), after);
    }

    private sealed class Direct(Action<int> action) : IProgress<int>
    {
        public void Report(int value) => action(value);
    }
}
