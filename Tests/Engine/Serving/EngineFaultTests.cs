using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Generation;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Scheduling;
using Llama4Kernels.Engine.Serving;
using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Tests.Engine.Model;
using Llama4Kernels.Tests.Engine.Scheduling;

namespace Llama4Kernels.Tests.Engine.Serving;

/// <summary>
/// The backend fails at the k-th operation, copies of blocks and the vision tower included: the requests of that step say why,
/// the others and the next ones are right, no block is lost. Every 13th operation; with <c>LLAMA4_FUZZ=50</c> every one.
/// </summary>
public sealed class EngineFaultTests
{
    [Theory]
    [InlineData("tiny-scout")]
    [InlineData("nano")]
    public async Task AFailingOperationFailsItsStepAndNothingElse(string name)
    {
        FailingBackend? backend = null;
        using Llama4Model model = Llama4Model.Load(ModelFixture.Folder(name), new ModelOptions
        {
            LoadVision = name == "nano",
            CreateBackend = () => backend = new FailingBackend(new CpuBackend(new CpuBackendOptions { Threads = 1 })),
        });
        GenerationRequest[] requests = Requests(model);
        List<string[]> expected = [];
        await using (var single = new Llama4Engine(model, new EngineOptions { KeepPrefixes = false, MaxContext = 128 }))
        {
            foreach (GenerationRequest request in requests)
            {
                expected.Add((await single.Ask(request)).Lines);
            }
        }
        var engine = new Llama4Engine(model, new EngineOptions { BlockTokens = 4, StepRows = 16, StepTokens = 8, MaxLogitRows = 4, MaxContext = 128 });
        int failures = 0, step = Fuzzing.Iterations(1) > 1 ? 1 : 13;
        for (int k = 0; ; k += step)
        {
            backend!.FailAfter(k);
            Outcome[] outcomes = await Task.WhenAll(requests.Select(request => engine.Ask(request)));
            backend.Disarm();
            await engine.IsIdle();
            for (int i = 0; i < requests.Length; i++)
            {
                if (outcomes[i].Failure is not null)
                {
                    Assert.IsType<InjectedFaultException>(outcomes[i].Failure);
                }
                Assert.Equal(outcomes[i].Failure is null ? expected[i] : expected[i][..outcomes[i].Updates.Count], outcomes[i].Lines);
            }
            if (outcomes.All(outcome => outcome.Failure is null))
            {
                break;
            }
            failures++;
            for (int i = 0; i < requests.Length; i++)
            {
                Assert.Equal(expected[i], (await engine.Ask(requests[i])).Lines);
            }
            // So that the next round begins like the first.
            engine.Runner.Prefixes!.Clear();
        }
        Assert.True(failures > 3, $"{failures} failures");
        await engine.Close();
    }

    [Fact]
    public async Task AConstraintThatThrowsFailsItsRequestOnly()
    {
        using Llama4Model model = Llama4Model.Load(ModelFixture.Folder("nano"), new ModelOptions { Threads = 1 });
        await using var engine = new Llama4Engine(model, new EngineOptions { MaxContext = 128 });
        var options = new GenerationOptions { Temperature = 0, MaxTokens = 20, IgnoreEos = true };
        Prompt prompt = Prompt.FromIds(1, 2, 3);
        string[] expected = (await engine.Ask(new(prompt, options))).Lines;
        Task<Outcome> other = engine.Ask(new(prompt, options));
        Outcome failed = await engine.Ask(new(prompt, options with { Constraint = new Broken() }));
        Assert.IsType<NotSupportedException>(failed.Failure);
        Assert.Equal(expected, (await other).Lines);
        Assert.Equal(expected, (await engine.Ask(new(prompt, options))).Lines);
    }

    private static GenerationRequest[] Requests(Llama4Model model)
    {
        var options = new GenerationOptions { Temperature = 0, MaxTokens = 5, IgnoreEos = true, Logprobs = true };
        int[] ids = MetamorphicTests.Ids(23);
        GenerationRequest[] requests = [new(Prompt.FromIds(ids), options), new(Prompt.FromIds(ids[..10]), options), new(Prompt.FromIds([.. ids[..6], 1, 2, 3]), options)];
        return model.HasVision ? [.. requests, new GenerationRequest(Pictures.Ask(model, "one.png"), options)] : requests;
    }

    private sealed class Broken : Llama4Kernels.Engine.Constraints.ITokenConstraint
    {
        private int _accepted;

        public bool MayEnd => false;

        public ReadOnlySpan<int> ForcedTokens => [];

        public void Allow(Llama4Kernels.Engine.Constraints.TokenMask mask)
        {
            if (_accepted == 3)
            {
                throw new NotSupportedException();
            }
            mask.Clear();
            mask.Set(2);
            mask.Set(3);
        }

        public void Accept(int id) => _accepted++;

        public Llama4Kernels.Engine.Constraints.ITokenConstraint Fork() => new Broken();
    }
}
