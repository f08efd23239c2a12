using Llama4Kernels.Engine.Generation;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Tests.Engine.Model;

/// <summary>The same tokens give the same logits however they are cut, batched or spread over threads.</summary>
[Collection(nameof(ModelCollection))]
public sealed class MetamorphicTests(ModelFixture models)
{
    // Rows go through different tile shapes when cut differently; float32 rounding of sums is all that may differ.
    private const double RoundingTolerance = 2e-6;

    [Theory]
    [InlineData("tiny-scout", 1)]
    [InlineData("tiny-scout", 7)]
    [InlineData("tiny-scout", 31)]
    [InlineData("tiny-scout", 33)]
    [InlineData("tiny-maverick", 5)]
    [InlineData("tiny-flat", 13)]
    public void Prefill_in_pieces_equals_prefill_at_once(string name, int piece)
    {
        Llama4Model model = models.Get(name);
        int[] ids = Ids(97);
        float[] whole = ModelRunner.Run(model, ids, new RunOptions()).Logits;
        float[] pieces = ModelRunner.Run(model, ids, new RunOptions { PrefillChunk = piece }).Logits;
        Assert.True(Compare.RangeError(pieces, whole) <= RoundingTolerance);
    }

    [Fact]
    public void Cached_decode_equals_recomputation()
    {
        Llama4Model model = models.Get("tiny-scout");
        int[] ids = Ids(70);
        using var session = new InferenceSession(model);
        using Sequence sequence = session.CreateSequence();
        session.Prefill(sequence, Prompt.FromIds(ids[..20]));
        for (int i = 20; i < ids.Length; i++)
        {
            session.Decode([sequence], [ids[i]]);
            float[] again = ModelRunner.Run(model, ids.AsSpan(0, i + 1), new RunOptions { Positions = [i] }).Logits;
            Assert.True(Compare.RangeError(session.Logits(), again) <= RoundingTolerance, $"position {i}");
        }
    }

    [Fact]
    public void A_batch_of_sequences_of_different_length_equals_each_alone()
    {
        Llama4Model model = models.Get("tiny-scout");
        int[] lengths = [3, 31, 32, 33, 64, 90];
        using var session = new InferenceSession(model);
        Sequence[] together = [.. lengths.Select(_ => session.CreateSequence())];
        for (int i = 0; i < lengths.Length; i++)
        {
            session.Prefill(together[i], Prompt.FromIds(Ids(lengths[i], i)));
        }
        for (int step = 0; step < 4; step++)
        {
            int[] next = [.. lengths.Select((n, i) => (i * 131 + step * 17 + n) % 1400)];
            session.Decode(together, next);
            for (int i = 0; i < lengths.Length; i++)
            {
                int[] ids = [.. Ids(lengths[i], i), .. Enumerable.Range(0, step + 1).Select(s => (i * 131 + s * 17 + lengths[i]) % 1400)];
                float[] alone = ModelRunner.Run(model, ids, new RunOptions { Positions = [ids.Length - 1] }).Logits;
                Assert.True(Compare.RangeError(session.Logits(i), alone) <= RoundingTolerance, $"sequence {i}, step {step}");
            }
        }
        foreach (Sequence sequence in together)
        {
            sequence.Dispose();
        }
        Assert.Equal(0, session.Pages.RentedPages);
    }

    [Theory]
    [InlineData(ActivationPrecision.Float32)]
    [InlineData(ActivationPrecision.BFloat16)]
    public void More_threads_give_the_same_bits(ActivationPrecision precision)
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
    public void A_decode_step_allocates_nothing()
    {
        Llama4Model model = models.Get("tiny-scout");
        using var session = new InferenceSession(model);
        using Sequence sequence = session.CreateSequence();
        session.Prefill(sequence, Prompt.FromIds(Ids(10)));
        sequence.Reserve(200);
        Sequence[] sequences = [sequence];
        int[] id = [5];
        for (int i = 0; i < 40; i++)
        {
            session.Decode(sequences, id);
        }
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++)
        {
            session.Decode(sequences, id);
        }
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    [Fact]
    public void Chunked_layers_hold_one_chunk_and_full_layers_everything()
    {
        Llama4Model model = models.Get("tiny-scout");
        using var session = new InferenceSession(model, new SessionOptions { PageTokens = 8 });
        using Sequence sequence = session.CreateSequence();
        session.Prefill(sequence, Prompt.FromIds(Ids(100)));
        for (int layer = 0; layer < model.Config.Text.Layers; layer++)
        {
            Assert.Equal(layer == 3 ? 13 : 1, sequence.Cache.PagesOf(layer)); // 100 = 3·32 + 4
        }
        sequence.Dispose();
        Assert.Equal(0, session.Pages.RentedPages);
    }

    internal static int[] Ids(int count, int seed = 0)
    {
        var random = new Random(seed + 17);
        return [.. Enumerable.Range(0, count).Select(_ => random.Next(1400))];
    }
}
