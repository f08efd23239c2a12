using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Diagnostics;
using Llama4Kernels.Engine.Images;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Scheduling;
using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Tests.Engine.Model;
using Llama4Kernels.Tests.Engine.Scheduling;

namespace Llama4Kernels.Tests.Engine.Generation;

/// <summary>Pictures stand where they were added: order, equal results, one encoding for equal pictures, lifetimes, misuse.</summary>
[Collection(nameof(ModelCollection))]
public sealed class PromptPictureTests(ModelFixture models)
{
    private Llama4Model Nano => models.Get("nano");

    [Theory]
    [InlineData("one", "other")]
    [InlineData("other", "one")]
    [InlineData("wide", "one", "other")]
    [InlineData("one", "wide", "one", "other", "wide")]
    public void LogitsAreThoseOfThePixelsInTheirOrderToTheBit(params string[] names)
    {
        PreprocessedImage[] images = [.. names.Select(Picture)];
        Prompt prompt = Ask(images);
        Assert.Equal(images.Sum(image => image.Tiles) * Nano.TokensPerTile, prompt.ImageTokens);
        using var runner = new ModelRunner(Nano);
        using Sequence sequence = runner.CreateSequence();
        var seen = new Encodings();
        runner.Observer = seen;
        runner.Prefill(sequence, prompt);
        Assert.Equal(names.Distinct().Count(), seen.Count);

        // The way of the references: ids and all pixels.
        ushort[] pixels = [.. images.SelectMany(image => image.Bf16Tiles)];
        LogitsResult direct = ModelRunner.Run(Nano, prompt.Ids, new RunOptions { Positions = [prompt.Ids.Length - 1], PixelValues = pixels, Tiles = images.Sum(image => image.Tiles) });
        Assert.Equal(direct.Logits, runner.Logits().ToArray());
    }

    [Fact]
    public void SwappedPicturesAreAnotherPrompt()
    {
        float[] Logits(params string[] names)
        {
            using var runner = new ModelRunner(Nano);
            using Sequence sequence = runner.CreateSequence();
            runner.Prefill(sequence, Ask([.. names.Select(Picture)]));
            return runner.Logits().ToArray();
        }
        Assert.NotEqual(Logits("one", "other"), Logits("other", "one"));
        Prompt first = Ask([Picture("one"), Picture("other")]), second = Ask([Picture("other"), Picture("one")]), again = Ask([Picture("one"), Picture("other")]);
        Assert.Equal(first.Ids, second.Ids);
        Assert.Equal(first.Keys, again.Keys);
        int[] differ = [.. Enumerable.Range(0, first.Keys.Length).Where(i => first.Keys[i] != second.Keys[i])];
        Assert.Equal(Enumerable.Range(0, first.Ids.Length).Where(i => first.Ids[i] == Nano.Config.ImageToken), differ);
        Assert.All(differ, i => Assert.True(first.Keys[i] < 0));
        Assert.Equal(first.Keys.Where(key => key < 0).Distinct().Count(), first.ImageTokens);
    }

    [Fact]
    public void EmbeddingsAreFreedWithTheSequenceAndAfterAFailure()
    {
        FailingBackend? backend = null;
        using Llama4Model model = Llama4Model.Load(GoldenFiles.SampleModel, new ModelOptions { CreateBackend = () => backend = new FailingBackend(new CpuBackend(new CpuBackendOptions { Threads = 1 })) });
        using var runner = new ModelRunner(model, new EngineOptions { MaxContext = 512 });
        Sequence sequence = runner.CreateSequence();
        using (Sequence first = runner.CreateSequence())
        {
            // The tower's own memory comes with the first picture and stays.
            runner.Prefill(first, Ask([Picture("one")]));
        }
        int before = backend!.LiveMemory;
        using var cancelled = new CancellationTokenSource();
        // Between the layers of the second picture.
        backend.OnOperation = _ =>
        {
            if (backend.LiveMemory == before + 2)
            {
                cancelled.Cancel();
            }
        };
        Assert.ThrowsAny<OperationCanceledException>(() => runner.Prefill(sequence, Ask([Picture("one"), Picture("wide")]), null, cancelled.Token));
        Assert.Equal((before, 0, 0), (backend.LiveMemory, sequence.Length, sequence.Pending));
        backend.OnOperation = null;
        runner.Prefill(sequence, Ask([Picture("one"), Picture("other"), Picture("one")]));
        Assert.Equal(before + 2, backend.LiveMemory);
        sequence.Dispose();
        Assert.Equal(before, backend.LiveMemory);
    }

    [Fact]
    public void APictureThatTheModelCannotSeeIsRefusedByItsNumber()
    {
        using var runner = new ModelRunner(Nano);
        using Sequence sequence = runner.CreateSequence();
        string Refused(Prompt prompt) => Assert.Throws<ArgumentException>(() => runner.Prefill(sequence, prompt)).Message;
        Prompt Of(ChatFormat format, params ImageContent[] images) => format.EncodePrompt([new ChatMessage(ChatRole.User, images)]);
        ImageContent one = new(Picture("one"));
        Assert.Contains("Picture 2 of the prompt is only a place", Refused(Of(Nano.Chat, one, new ImageContent(1, 1))));
        RgbImage pixels = ImageDecoder.Decode(GoldenFiles.Path("nano", "pictures", "one.png"));
        int tile = Nano.ImageOptions.Tile;
        Assert.Contains($"Picture 1 of the prompt has tiles of {2 * tile} pixels, the model's are of {tile}", Refused(Of(Nano.Chat, new ImageContent(ImagePreprocessor.Process(pixels, new TileOptions(2 * tile))))));
        Assert.Contains($"has 9 tokens a tile, the model's have {Nano.TokensPerTile}", Refused(Of(new ChatFormat(Nano.Tokenizer, 9), one)));
        Assert.Contains("lacks the tokens of images", Assert.Throws<ArgumentException>(() => new PromptBuilder().Add(one)).Message);
        Assert.Throws<ArgumentNullException>(() => new ImageContent(null!));
        Assert.Throws<ArgumentNullException>(() => runner.Prefill(sequence, null!));
        Assert.Equal((0, 0), (sequence.Length, sequence.Pending));
    }

    private Prompt Ask(PreprocessedImage[] images) =>
        Nano.Chat.EncodePrompt([new ChatMessage(ChatRole.User, [.. images.Select(image => new ImageContent(image)), new TextContent("What is in each picture?")])]);

    private PreprocessedImage Picture(string name) => ImagePreprocessor.Process(ImageDecoder.Decode(GoldenFiles.Path("nano", "pictures", name + ".png")), Nano.ImageOptions);

    /// <summary>Counts what goes through the vision tower.</summary>
    private sealed class Encodings : IForwardObserver
    {
        public int Count { get; private set; }

        public void Hidden(int layers, Tensor hidden)
        {
        }

        public void Attention(int layer, Tensor output)
        {
        }

        public void Final(Tensor hidden)
        {
        }

        public void Router(int layer, Routing routing)
        {
        }

        public void Vision(string stage, Tensor values) => Count += stage == "embedded" ? 1 : 0;
    }
}
