using System.Text;
using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Diagnostics;
using Llama4Kernels.Engine.Generation;
using Llama4Kernels.Engine.Images;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Scheduling;
using Llama4Kernels.Engine.Serving;
using Llama4Kernels.Tests.Engine.Model;

namespace Llama4Kernels.Tests.Engine.Serving;

[Collection(nameof(ModelCollection))]
public sealed class Llama4EngineTests(ModelFixture models)
{
    private static readonly GenerationOptions s_greedy = new() { Temperature = 0 };

    private Llama4Model Nano => models.Get("nano");

    [Fact]
    public async Task AnswersWhatTheSampleModelWasTaught()
    {
        // The README's library sample.
        await using var engine = new Llama4Engine(Nano);
        Prompt prompt = Nano.Chat.EncodePrompt([ChatMessage.FromText(ChatRole.User, "How many experts does Scout have?")]);
        (string text, GenerationUpdate last) = await Collect(engine, prompt, s_greedy);
        Assert.Equal("Scout has 16 experts.", text);
        Assert.Equal(FinishReason.EndOfTurn, last.FinishReason);
        Assert.Equal(new Usage(17, 7), last.Usage);
    }

    [Fact]
    public async Task TheSameSeedGivesTheSameTextAndAnotherSeedAnother()
    {
        await using var engine = new Llama4Engine(Nano);
        Prompt prompt = Question("Tell me something.");
        GenerationOptions options = new() { Temperature = 1.5f, TopP = 1, Seed = 7, MaxTokens = 24, IgnoreEos = true };
        string first = (await Collect(engine, prompt, options)).Text;
        await using var other = new Llama4Engine(Nano);
        Assert.Equal(first, (await Collect(other, prompt, options)).Text);
        Assert.NotEqual(first, (await Collect(engine, prompt, options with { Seed = 8 })).Text);
    }

    [Fact]
    public async Task BiasesChangeWhatIsChosen()
    {
        await using var engine = new Llama4Engine(Nano);
        Prompt prompt = Question("How many experts does Scout have?");
        int sixteen = Assert.Single(Nano.Tokenizer.Encode("Scout has 16"), id => Nano.Tokenizer.Decode([id]).Contains("16", StringComparison.Ordinal));
        GenerationOptions without = s_greedy with { LogitBias = new Dictionary<int, float> { [sixteen] = -100 }, MaxTokens = 24 };
        string text = (await Collect(engine, prompt, without)).Text;
        Assert.StartsWith("Scout has", text, StringComparison.Ordinal);
        Assert.DoesNotContain("16", text, StringComparison.Ordinal);
        GenerationOptions only = new() { LogitBias = new Dictionary<int, float> { [sixteen] = 1000 }, MaxTokens = 3, Seed = 1 };
        Assert.Equal(string.Concat(Enumerable.Repeat(Nano.Tokenizer.Decode([sixteen]), 3)), (await Collect(engine, prompt, only)).Text);
        GenerationOptions beyond = new() { LogitBias = new Dictionary<int, float> { [Nano.VocabularySize] = 1 } };
        var error = await Assert.ThrowsAsync<ArgumentException>(() => Collect(engine, prompt, beyond));
        Assert.Contains($"token {Nano.VocabularySize}", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(" 16 ex", "Scout has", FinishReason.Stop)]
    [InlineData("experts.", "Scout has 16 ", FinishReason.Stop)]
    [InlineData("experts!", "Scout has 16 experts.", FinishReason.EndOfTurn)]
    public async Task StopStringsSpanTokens(string stop, string expected, FinishReason reason)
    {
        await using var engine = new Llama4Engine(Nano);
        (string text, GenerationUpdate last) = await Collect(engine, Question("How many experts does Scout have?"), s_greedy with { StopStrings = [stop] });
        Assert.Equal((expected, reason), (text, last.FinishReason!.Value));
    }

    [Fact]
    public async Task EndsAtTheTokenLimitAndReportsLogProbabilities()
    {
        await using var engine = new Llama4Engine(Nano);
        List<GenerationUpdate> updates = [];
        await foreach (GenerationUpdate update in engine.GenerateAsync(new(Question("How many experts does Scout have?"), s_greedy with { MaxTokens = 3, Logprobs = true, TopLogprobs = 2 })))
        {
            updates.Add(update);
        }
        Assert.Equal(3, updates.Count);
        Assert.Equal(FinishReason.Length, updates[^1].FinishReason);
        Assert.All(updates, u =>
        {
            Assert.Equal(u.TokenId, u.TopLogprobs[0].TokenId);
            Assert.InRange(u.Logprob!.Value, -1, 0);
            Assert.True(u.TopLogprobs[0].Logprob >= u.TopLogprobs[1].Logprob);
        });
    }

    [Fact]
    public async Task CancellingStopsBetweenTokensAndTheNextPromptIsUnharmed()
    {
        await using var engine = new Llama4Engine(Nano);
        using var cancel = new CancellationTokenSource();
        Prompt prompt = Question("How many experts does Scout have?");
        int tokens = 0;
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (GenerationUpdate update in engine.GenerateAsync(new(prompt, s_greedy), cancel.Token))
            {
                if (++tokens == 2)
                {
                    await cancel.CancelAsync();
                }
            }
        });
        Assert.Equal(2, tokens);
        Assert.Equal("Scout has 16 experts.", (await Collect(engine, prompt, s_greedy)).Text);
    }

    [Fact]
    public async Task ConcurrentEnginesOfOneModelDoNotDisturbEachOther()
    {
        async Task<string> Ask()
        {
            await using var engine = new Llama4Engine(Nano);
            return (await Collect(engine, Question("How many experts does Scout have?"), s_greedy)).Text;
        }
        string[] answers = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => Task.Run(Ask)));
        Assert.All(answers, answer => Assert.Equal("Scout has 16 experts.", answer));
    }

    [Fact]
    public async Task ASecondTurnAboutAPictureReusesTheFirst()
    {
        await using var engine = new Llama4Engine(Nano);
        PreprocessedImage image = ImagePreprocessor.Process(ImageDecoder.Decode(GoldenFiles.Path("nano", "pictures", "one.png")), Nano.ImageOptions);
        ChatMessage question = new(ChatRole.User, [new ImageContent(image), new TextContent("What is in the picture?")]);
        Prompt first = Nano.Chat.EncodePrompt([question]);
        (string answer, GenerationUpdate last) = await Collect(engine, first, s_greedy);
        Assert.Equal(16, last.Usage!.ImageTokens);
        Prompt second = Nano.Chat.EncodePrompt([question, ChatMessage.FromText(ChatRole.Assistant, answer), ChatMessage.FromText(ChatRole.User, "How many shapes are there?")]);
        (string again, GenerationUpdate lastAgain) = await Collect(engine, second, s_greedy);
        Assert.True(lastAgain.Usage!.CachedTokens >= first.Ids.Length);
        await using var fresh = new Llama4Engine(Nano);
        Assert.Equal((await Collect(fresh, second, s_greedy)).Text, again);
    }

    [Fact]
    public async Task AnotherPictureUnderTheSameTokensIsNotTakenFromTheCache()
    {
        await using var engine = new Llama4Engine(Nano);
        string[] answers = new string[2];
        foreach ((string file, int i) in ((string[])["one.png", "other.png"]).Select((f, i) => (f, i)))
        {
            PreprocessedImage image = ImagePreprocessor.Process(ImageDecoder.Decode(GoldenFiles.Path("nano", "pictures", file)), Nano.ImageOptions with { MaxTiles = 1 });
            Prompt prompt = Nano.Chat.EncodePrompt([new ChatMessage(ChatRole.User, [new ImageContent(image), new TextContent("What is in the picture?")])]);
            (answers[i], GenerationUpdate last) = await Collect(engine, prompt, s_greedy);
            // What stands before the picture.
            Assert.Equal(i == 0 ? 0 : prompt.Ids.IndexOf(Nano.Config.ImageToken), last.Usage!.CachedTokens);
        }
        Assert.NotEqual(answers[0], answers[1]);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(8)]
    [InlineData(48)]
    public async Task APromptMayHoldManyPictures(int count)
    {
        Prompt prompt = Pictures(count);
        await using var engine = new Llama4Engine(Nano);
        (string text, GenerationUpdate last) = await Collect(engine, prompt, s_greedy with { MaxTokens = 40 });
        Assert.Equal(16 * count, last.Usage!.ImageTokens);
        Assert.NotEmpty(text);

        // The same pixels handed over as the reference does give the same first token.
        ushort[] pixels = [.. Enumerable.Repeat(One().Bf16Tiles, count).SelectMany(tiles => tiles)];
        LogitsResult direct = ModelRunner.Run(Nano, prompt.Ids, new RunOptions { Positions = [prompt.Ids.Length - 1], PixelValues = pixels, Tiles = count, Greedy = 1 });
        Assert.StartsWith(Nano.Tokenizer.Decode(direct.Greedy), text, StringComparison.Ordinal);
    }

    [Fact]
    public void MorePicturesThanAllowedAreRefusedWithBothNumbers()
    {
        using var runner = new ModelRunner(Nano);
        using Sequence sequence = runner.CreateSequence();
        ArgumentException error = Assert.Throws<ArgumentException>(() => runner.Prefill(sequence, Pictures(49)));
        Assert.Contains("49", error.Message);
        Assert.Contains("48", error.Message);
    }

    [Fact]
    public async Task PicturesNeedTheVisionTower()
    {
        using Llama4Model blind = Llama4Model.Load(GoldenFiles.SampleModel, new ModelOptions { LoadVision = false });
        Assert.True(blind.WeightBytes < Nano.WeightBytes);
        Assert.False(blind.HasVision);
        await using var engine = new Llama4Engine(blind);
        ArgumentException error = await Assert.ThrowsAsync<ArgumentException>(() => Collect(engine, Pictures(1), s_greedy));
        Assert.Contains("vision", error.Message);
        Assert.Equal("Scout has 16 experts.", (await Collect(engine, Question("How many experts does Scout have?"), s_greedy)).Text);
    }

    private Prompt Pictures(int count)
    {
        return Nano.Chat.EncodePrompt([new ChatMessage(ChatRole.User, [.. Enumerable.Range(0, count).Select(_ => new ImageContent(One())), new TextContent("What is in each picture?")])]);
    }

    private PreprocessedImage One() => ImagePreprocessor.Process(ImageDecoder.Decode(GoldenFiles.Path("nano", "pictures", "one.png")), Nano.ImageOptions with { MaxTiles = 1 });

    private Prompt Question(string text) => Nano.Chat.EncodePrompt([ChatMessage.FromText(ChatRole.User, text)]);

    private static async Task<(string Text, GenerationUpdate Last)> Collect(Llama4Engine engine, Prompt prompt, GenerationOptions options)
    {
        var text = new StringBuilder();
        GenerationUpdate? last = null;
        await foreach (GenerationUpdate update in engine.GenerateAsync(new(prompt, options)))
        {
            text.Append(update.Text);
            last = update;
        }
        return (text.ToString(), last!);
    }
}
