using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Diagnostics;
using Llama4Kernels.Engine.KvCache;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Scheduling;
using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Tests.Engine.Model;

/// <summary>The same tokens give the same bits however they are cut, batched or spread over threads.</summary>
[Collection(nameof(ModelCollection))]
public sealed class MetamorphicTests(ModelFixture models)
{
    [Theory]
    [InlineData("tiny-scout", 1)]
    [InlineData("tiny-scout", 7)]
    [InlineData("tiny-scout", 31)]
    [InlineData("tiny-scout", 33)]
    [InlineData("tiny-maverick", 5)]
    [InlineData("tiny-flat", 13)]
    public void PrefillInPiecesEqualsPrefillAtOnce(string name, int piece)
    {
        Llama4Model model = models.Get(name);
        int[] ids = Ids(97);
        float[] whole = ModelRunner.Run(model, ids, new RunOptions()).Logits;
        float[] pieces = ModelRunner.Run(model, ids, new RunOptions { PrefillChunk = piece }).Logits;
        Assert.Equal(whole, pieces);
    }

    [Fact]
    public void CachedDecodeEqualsRecomputation()
    {
        Llama4Model model = models.Get("tiny-scout");
        int[] ids = Ids(70);
        using var runner = new ModelRunner(model);
        using Sequence sequence = runner.CreateSequence();
        runner.Prefill(sequence, Prompt.FromIds(ids[..20]));
        for (int i = 20; i < ids.Length; i++)
        {
            runner.Decode([sequence], [ids[i]]);
            float[] again = ModelRunner.Run(model, ids.AsSpan(0, i + 1), new RunOptions { Positions = [i] }).Logits;
            Assert.Equal(again, runner.Logits().ToArray());
        }
    }

    [Fact]
    public void ABatchOfSequencesOfDifferentLengthEqualsEachAlone()
    {
        Llama4Model model = models.Get("tiny-scout");
        int[] lengths = [3, 31, 32, 33, 64, 90];
        using var runner = new ModelRunner(model);
        Sequence[] together = [.. lengths.Select(_ => runner.CreateSequence())];
        for (int i = 0; i < lengths.Length; i++)
        {
            runner.Prefill(together[i], Prompt.FromIds(Ids(lengths[i], i)));
        }
        for (int step = 0; step < 4; step++)
        {
            int[] next = [.. lengths.Select((n, i) => (i * 131 + step * 17 + n) % 1400)];
            runner.Decode(together, next);
            for (int i = 0; i < lengths.Length; i++)
            {
                int[] ids = [.. Ids(lengths[i], i), .. Enumerable.Range(0, step + 1).Select(s => (i * 131 + s * 17 + lengths[i]) % 1400)];
                float[] alone = ModelRunner.Run(model, ids, new RunOptions { Positions = [ids.Length - 1] }).Logits;
                Assert.Equal(alone, runner.Logits(i).ToArray());
            }
        }
        foreach (Sequence sequence in together)
        {
            sequence.Dispose();
        }
        Assert.Equal(0, runner.Cache.UsedBytes);
    }

    [Theory]
    [InlineData(ActivationPrecision.Float32)]
    [InlineData(ActivationPrecision.BFloat16)]
    public void MoreThreadsGiveTheSameBits(ActivationPrecision precision)
    {
        int[] ids = Ids(60);
        float[] one = ModelRunner.Run(models.Get("tiny-scout", new ModelOptions { Threads = 1, Activations = precision }), ids, new RunOptions()).Logits;
        foreach (int threads in (int[])[2, 3, 8, 64])
        {
            float[] more = ModelRunner.Run(models.Get("tiny-scout", new ModelOptions { Threads = threads, Activations = precision }), ids, new RunOptions()).Logits;
            Assert.Equal(one, more);
        }
    }

    [Fact]
    public void ADecodeStepAllocatesNothing()
    {
        Llama4Model model = models.Get("tiny-scout");
        using var runner = new ModelRunner(model);
        using Sequence sequence = runner.CreateSequence();
        runner.Prefill(sequence, Prompt.FromIds(Ids(10)));
        sequence.Reserve(200);
        Sequence[] sequences = [sequence];
        int[] id = [5];
        for (int i = 0; i < 40; i++)
        {
            runner.Decode(sequences, id);
        }
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++)
        {
            runner.Decode(sequences, id);
        }
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    [Fact]
    public void ChunkedLayersHoldOneChunkAndFullLayersEverything()
    {
        Llama4Model model = models.Get("tiny-scout");
        using var runner = new ModelRunner(model, new EngineOptions { BlockTokens = 8 });
        using Sequence sequence = runner.CreateSequence();
        runner.Prefill(sequence, Prompt.FromIds(Ids(100)));
        // 100 = 3·32 + 4
        Assert.Equal((1, 13), (runner.Cache.UsedBlocks(BlockKind.Chunked), runner.Cache.UsedBlocks(BlockKind.Full)));
        sequence.Dispose();
        Assert.Equal(0, runner.Cache.UsedBytes);
    }

    internal static int[] Ids(int count, int seed = 0)
    {
        var random = new Random(seed + 17);
        return [.. Enumerable.Range(0, count).Select(_ => random.Next(1400))];
    }
}
