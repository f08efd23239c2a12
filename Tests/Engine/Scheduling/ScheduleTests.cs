using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Scheduling;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Tests.Engine.Model;

namespace Llama4Kernels.Tests.Engine.Scheduling;

/// <summary>What a sequence gets does not depend on what else is in its steps nor on how its prompt is cut: not by a bit.</summary>
[Collection(nameof(ModelCollection))]
public sealed class ScheduleTests(ModelFixture models)
{
    [Theory]
    [InlineData("tiny-scout", ActivationPrecision.Float32, null)]
    [InlineData("tiny-scout", ActivationPrecision.BFloat16, null)]
    [InlineData("tiny-scout", ActivationPrecision.Float32, KvFormat.BF16)]
    [InlineData("tiny-scout", ActivationPrecision.Int8, null, WeightScheme.Int4)]
    [InlineData("tiny-scout", ActivationPrecision.Int8, null, WeightScheme.Int8)]
    [InlineData("tiny-maverick", ActivationPrecision.Float32, null)]
    [InlineData("tiny-fp8", ActivationPrecision.BFloat16, KvFormat.F32)]
    [InlineData("tiny-flat", ActivationPrecision.Float32, null)]
    public void RandomSchedulesGiveEverySequenceItsSingleRunsLogits(string name, ActivationPrecision precision, KvFormat? format, WeightScheme weights = WeightScheme.Stored)
    {
        Llama4Model model = models.Get(name, new ModelOptions { Activations = precision, Weights = weights });
        EngineOptions sizes = new() { StepRows = 40, MaxLogitRows = 6, BlockTokens = 8, MaxContext = 128, CacheFormat = format };
        RandomSchedule.Check(model, sizes, seeds: 3, sequences: 10, longest: 100);
    }
}
