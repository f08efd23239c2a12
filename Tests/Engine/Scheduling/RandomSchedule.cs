using Llama4Kernels.Engine.Diagnostics;
using Llama4Kernels.Engine.KvCache;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Scheduling;
using Llama4Kernels.Tests.Engine.Model;

namespace Llama4Kernels.Tests.Engine.Scheduling;

/// <summary>
/// Seeded schedules of sequences that come and go, in steps of some of them in any order, with pieces of their prompts of any
/// length: every logit must be the one of the sequence's run by itself in one piece, to the bit.
/// </summary>
internal static class RandomSchedule
{
    /// <summary>Runs some schedules.</summary>
    /// <param name="model">The model.</param>
    /// <param name="sizes">Sizes of the runner; as many sequences run at once as a step gives logits of.</param>
    /// <param name="seeds">How many schedules.</param>
    /// <param name="sequences">Sequences of a schedule.</param>
    /// <param name="longest">Sequences are shorter than that.</param>
    public static void Check(Llama4Model model, EngineOptions sizes, int seeds, int sequences, int longest)
    {
        int together = sizes.MaxLogitRows!.Value;
        using var single = new ModelRunner(model, sizes with { StepRows = longest, MaxLogitRows = longest });
        for (int seed = 0; seed < seeds; seed++)
        {
            var random = new Random(seed);
            using var runner = new StepRunner(model, sizes);
            List<Running> running = [];
            for (int steps = 0, started = 0; started < sequences || running.Count > 0; steps++)
            {
                Assert.True(steps < 2000);
                if (started < sequences && running.Count < together && random.Next(3) == 0)
                {
                    running.Add(new Running(runner, single, MetamorphicTests.Ids(random.Next(2, longest), 100 * seed + started)));
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
