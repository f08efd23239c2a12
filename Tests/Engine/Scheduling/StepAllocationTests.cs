using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Generation;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Sampling;
using Llama4Kernels.Engine.Scheduling;
using Llama4Kernels.Engine.Serving;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Sampling;
using Llama4Kernels.Tests.Engine.Model;
using Llama4Kernels.Tests.Engine.Serving;

namespace Llama4Kernels.Tests.Engine.Scheduling;

/// <summary>The path of a token allocates nothing once it is warm, whatever number of sequences decode and however tokens are chosen.</summary>
[Collection(nameof(ModelCollection))]
public sealed class StepAllocationTests(ModelFixture models)
{
    private const int Sequences = 6, Warm = 8, Steps = 20;

    [Theory]
    [InlineData(ActivationPrecision.Float32, false)]
    [InlineData(ActivationPrecision.BFloat16, false)]
    [InlineData(ActivationPrecision.Float32, true)]
    public void StepsOfSeveralSequencesAllocateNothing(ActivationPrecision precision, bool bestOnly)
    {
        Llama4Model model = models.Get("tiny-scout", new ModelOptions { Activations = precision });
        using var runner = new StepRunner(model, new EngineOptions { MaxContext = 64, MaxLogitRows = Sequences, BlockTokens = 8 });
        Sequence[] sequences = [.. Enumerable.Range(0, Sequences).Select(_ => runner.CreateSequence())];
        var chain = SamplerChain.Create(new GenerationOptions { Temperature = 0.8f, TopK = 20, TopP = 0.9f, FrequencyPenalty = 0.5f });
        var sampler = new Sampler(chain, model.Config.Text.VocabSize);
        SeededRandom random = SeededRandom.Create(1);
        var parts = new StepPart[Sequences];
        int[] token = [7], history = [1, 2, 3];
        for (int i = 0; i < Sequences; i++)
        {
            sequences[i].Reserve(64);
            sequences[i].Append(MetamorphicTests.Ids(5 + i, i));
            runner.Run([new StepPart(sequences[i], 5 + i, 1)]);
            parts[i] = new StepPart(sequences[i], 1, 1, bestOnly ? DrawRule.Best : null);
        }
        long before = 0;
        for (int step = 0; step < Warm + Steps; step++)
        {
            if (step == Warm)
            {
                before = GC.GetAllocatedBytesForCurrentThread();
            }
            foreach (Sequence sequence in sequences)
            {
                sequence.Append(token);
            }
            StepResult result = runner.Run(parts);
            for (int i = 0; i < Sequences; i++)
            {
                token[0] = bestOnly && result.Chosen(i) is int best ? best : sampler.Sample(result.Logits(i), history, ref random);
            }
        }
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Array.ForEach(sequences, sequence => sequence.Dispose());
    }

    /// <summary>What the engine hands out, an update with its text, is all that its thread allocates for a token.</summary>
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public async Task AnEnginesStepAllocatesTheUpdatesThatItHandsOut(float temperature)
    {
        const int BytesOfAnUpdate = 256;
        await using var engine = new Llama4Engine(models.Get("tiny-scout"), new EngineOptions { MaxContext = 64, MaxLogitRows = Sequences });
        List<(int Rows, long Bytes)> steps = new(100);
        var watch = new StepWatch();
        watch.OnStep = () => steps.Add((watch.Rows[^1], GC.GetAllocatedBytesForCurrentThread()));
        engine.Runner.Observer = watch;
        Outcome[] outcomes = await Task.WhenAll(Enumerable.Range(0, Sequences).Select(i => engine.Ask(new GenerationRequest(
            Prompt.FromIds(MetamorphicTests.Ids(4, i)), new GenerationOptions { Temperature = temperature, Seed = 1, MaxTokens = 40, IgnoreEos = true }))));
        Assert.All(outcomes, outcome => Assert.Null(outcome.Failure));
        long[] full = [.. steps.Zip(steps.Skip(1)).Where(pair => pair.First.Rows == Sequences && pair.Second.Rows == Sequences).Select(pair => pair.Second.Bytes - pair.First.Bytes)];
        Assert.True(full.Length > Steps, $"{full.Length} steps");
        // The median: lists of tokens and queues grow now and then.
        Assert.InRange(full.Order().ElementAt(full.Length / 2), 0, Sequences * BytesOfAnUpdate);
    }
}
