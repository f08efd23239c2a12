using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Config;
using Llama4Kernels.Engine.Generation;
using Llama4Kernels.Engine.KvCache;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Scheduling;
using Llama4Kernels.Engine.Serving;
using Llama4Kernels.Tests.Engine.Model;
using Llama4Kernels.Tests.Engine.Serving;

namespace Llama4Kernels.Tests.Engine.Scheduling;

/// <summary>The budget of a step in which others decode is one of work: a prompt's late pieces, which attend to more, have fewer rows.</summary>
[Collection(nameof(ModelCollection))]
public sealed class StepWorkTests(ModelFixture models)
{
    [Theory]
    [InlineData("tiny-scout")]
    [InlineData("tiny-maverick")]
    public void WorkIsThatOfTheMultiplications(string name)
    {
        Llama4Model model = models.Get(name);
        using var runner = new StepRunner(model, new EngineOptions { StepRows = 64, MaxLogitRows = 1, MaxContext = 100, BlockTokens = 8 });
        using Sequence sequence = runner.CreateSequence();
        sequence.Append(new int[90]);
        while (sequence.Length < 75)
        {
            runner.Run([new StepPart(sequence, sequence.Blocks.RowsBeforeChunkEdge(75 - sequence.Length), 0)]);
        }
        int rows = sequence.Blocks.RowsBeforeChunkEdge(13);
        double expected = Enumerable.Range(75, rows).Sum(position => Row(model.Config.Text, position)) / Row(model.Config.Text, 0);
        Assert.Equal(expected, runner.Work.Of(sequence.Blocks, rows), 1e-9);
        Assert.Equal(1, runner.Work.RowsWithin(0, sequence.Blocks, 9));
        Assert.Equal(rows, runner.Work.RowsWithin(double.PositiveInfinity, sequence.Blocks, rows));
        int within = runner.Work.RowsWithin(4, sequence.Blocks, rows);
        Assert.True(runner.Work.Of(sequence.Blocks, within) >= 4 || within == rows);
        Assert.True(runner.Work.Of(sequence.Blocks, within - 1) < 4);
    }

    [Fact]
    public async Task LatePiecesOfAPromptHaveFewerRowsWhileOthersDecode()
    {
        const int StepTokens = 24, Length = 480;
        Llama4Model model = models.Get("tiny-scout");
        await using var engine = new Llama4Engine(model, new EngineOptions { StepRows = 64, StepTokens = StepTokens, MaxLogitRows = 2, MaxContext = 512, BlockTokens = 8, KeepPrefixes = false });
        var greedy = new GenerationOptions { Temperature = 0, IgnoreEos = true, MaxTokens = 300 };
        using var held = new HeldStep(engine, step: 2);
        using var over = new CancellationTokenSource();
        Task<Outcome> decoding = engine.Ask(new(Prompt.FromIds(MetamorphicTests.Ids(4)), greedy), cancellation: over.Token);
        held.WaitUntilIn();
        Task<Outcome> prompt = engine.Ask(new(Prompt.FromIds(MetamorphicTests.Ids(Length)), greedy with { MaxTokens = 1 }));
        held.LetGo();
        Assert.Null((await prompt).Failure);
        await over.CancelAsync();
        await decoding;
        // Steps with a piece, but the last one, which has what was left.
        int[] pieces = [.. held.Rows.Skip(2).Select(rows => rows - 1).Where(rows => rows > 0)];
        Assert.Equal(Length, pieces.Sum());
        int position = 0;
        List<int> uncut = [];
        foreach (int rows in pieces[..^1])
        {
            double work = Enumerable.Range(position, rows).Sum(at => Row(model.Config.Text, at)) / Row(model.Config.Text, 0);
            // A row more than fits is begun; chunk edges cut pieces too.
            bool isCut = (position + rows) % (model.Config.Text.AttentionChunkSize ?? int.MaxValue) == 0;
            uncut.AddRange(isCut ? [] : (int[])[rows]);
            Assert.True(rows <= StepTokens - 1 && work < StepTokens + 1, $"{rows} rows from {position} on are the work of {work:F1}");
            Assert.True(isCut || work > StepTokens - 3 || rows == StepTokens / 4, $"{rows} rows from {position} on are the work of {work:F1} only");
            position += rows;
        }
        Assert.True(uncut[^1] < uncut[0], string.Join(' ', pieces));
    }

    /// <summary>Multiplications of the row at a position.</summary>
    private static double Row(TextConfig c, int position) => c.LayerKinds.Sum(layer =>
    {
        double d = c.HiddenSize, attention = c.Heads * c.HeadDim, keyValue = c.KvHeads * c.HeadDim;
        double projections = d * (attention + 2 * keyValue) + attention * d;
        double feedForward = layer.IsMoe ? 3 * d * c.IntermediateSize * (1 + c.ExpertsPerToken) + d * c.Experts : 3 * d * c.IntermediateSizeMlp;
        int keys = layer.IsChunked && c.AttentionChunkSize is int chunk ? position % chunk : position;
        return projections + feedForward + 2 * attention * keys;
    });
}
