using Llama4Kernels.Engine.Diagnostics;
using Llama4Kernels.Engine.KvCache;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Scheduling;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Tests.Engine.Model;

namespace Llama4Kernels.Tests.Engine.Scheduling;

/// <summary>What a sequence gets does not depend on what else is in its steps nor on how its prompt is cut: not by a bit.</summary>
[Collection(nameof(ModelCollection))]
public sealed class ScheduleTests(ModelFixture models)
{
    private const int MostSequences = 6;

    [Theory]
    [InlineData("tiny-scout", ActivationPrecision.Float32, null)]
    [InlineData("tiny-scout", ActivationPrecision.BFloat16, null)]
    [InlineData("tiny-scout", ActivationPrecision.Float32, KvFormat.BF16)]
    [InlineData("tiny-scout", ActivationPrecision.Int8, null)]
    [InlineData("tiny-maverick", ActivationPrecision.Float32, null)]
    [InlineData("tiny-fp8", ActivationPrecision.BFloat16, KvFormat.F32)]
    [InlineData("tiny-flat", ActivationPrecision.Float32, null)]
    public void Random_schedules_give_every_sequence_its_single_runs_logits(string name, ActivationPrecision precision, KvFormat? format)
    {
        Llama4Model model = models.Get(name, new ModelOptions { Activations = precision, Weights = precision == ActivationPrecision.Int8 ? WeightScheme.Int4 : WeightScheme.Stored });
        EngineOptions sizes = new() { StepRows = 40, MaxLogitRows = MostSequences, BlockTokens = 8, MaxContext = 128, CacheFormat = format };
        using var single = new ModelRunner(model, sizes with { StepRows = 128, MaxLogitRows = 128 });
        for (int seed = 0; seed < 3; seed++)
        {
            var random = new Random(seed);
            using var runner = new StepRunner(model, sizes);
            List<Running> running = [];
            for (int steps = 0, started = 0; started < 10 || running.Count > 0; steps++)
            {
                Assert.True(steps < 2000);
                if (started < 10 && running.Count < MostSequences && random.Next(3) == 0)
                {
                    running.Add(new Running(runner, single, MetamorphicTests.Ids(random.Next(2, 100), 100 * seed + started)));
                    started++;
                }
                Step(runner, running, random);
                running.RemoveAll(one => one.IsDone);
            }
            Assert.Equal((0, 0), (runner.Pool.UsedBlocks(BlockKind.Chunked), runner.Pool.UsedBlocks(BlockKind.Full)));
        }
    }

    /// <summary>A step of some of the sequences, in any order, with pieces of any size.</summary>
    private static void Step(StepRunner runner, List<Running> running, Random random)
    {
        List<StepPart> parts = [];
        List<Running> members = [];
        int rows = runner.StepRows;
        foreach (Running one in running.OrderBy(_ => random.Next()).Where(_ => random.Next(4) > 0))
        {
            int most = Math.Min(rows, one.Sequence.Blocks.RowsBeforeChunkEdge(one.Sequence.Pending));
            if (most > 0)
            {
                int piece = random.Next(3) == 0 ? 1 : random.Next(1, most + 1);
                parts.Add(new StepPart(one.Sequence, piece, random.Next(2)));
                members.Add(one);
                rows -= piece;
            }
        }
        if (parts.Count == 0)
        {
            return;
        }
        StepResult result = runner.Run([.. parts]);
        for (int i = 0; i < parts.Count; i++)
        {
            if (parts[i].LogitRows > 0)
            {
                members[i].Check(result.Logits(i));
            }
            members[i].DisposeIfDone();
        }
    }

    private sealed class Running
    {
        private readonly List<float[]> _expected = [];

        public Running(StepRunner runner, ModelRunner single, int[] ids)
        {
            Sequence = runner.CreateSequence();
            Sequence.Append(ids);
            using Sequence alone = single.CreateSequence();
            single.Append(alone, ids, 0, (_, logits) => _expected.Add(logits.ToArray()));
        }

        public Sequence Sequence { get; }

        public bool IsDone => Sequence.IsDisposed;

        public void Check(ReadOnlySpan<float> logits) => Assert.Equal(_expected[Sequence.Length - 1], logits.ToArray());

        public void DisposeIfDone()
        {
            if (Sequence.Pending == 0)
            {
                Sequence.Dispose();
            }
        }
    }
}
