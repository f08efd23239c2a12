using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Generation;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Serving;
using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.PtxEmulator.Driver;
using Llama4Kernels.Tests.Engine.Model;
using Llama4Kernels.Tests.Engine.Scheduling;
using Llama4Kernels.Tests.Kernels.Backends.Cuda;

namespace Llama4Kernels.Tests.Engine.Serving;

/// <summary>A generation that fails says why; the next one of the same conversation reuses only what was computed.</summary>
public sealed class GenerationFaultTests
{
    private static readonly GenerationOptions s_greedy = new() { Temperature = 0, MaxTokens = 8, IgnoreEos = true };

    [Fact]
    public async Task WhatAFailedStepLeftIsNotReused()
    {
        FailingBackend? backend = null;
        using Llama4Model model = Llama4Model.Load(ModelFixture.Folder("tiny-maverick"), new ModelOptions
        {
            LoadVision = false,
            CreateBackend = () => backend = new FailingBackend(new CpuBackend(new CpuBackendOptions { Threads = 1 })),
        });
        int[] prompt = MetamorphicTests.Ids(20);
        int[] answer = await Tokens(model, prompt, null, 0);
        int[] longer = [.. prompt, .. answer, .. MetamorphicTests.Ids(5, 3)];
        int[] expected = await Tokens(model, longer, null, 0);
        int[] failures = [0, 40, 54, 55, 56, 57, 58, 110, 111, 112, 113, 150, 250];
        foreach (int k in failures)
        {
            await using var engine = new Llama4Engine(model);
            await Assert.ThrowsAsync<InjectedFaultException>(() => Tokens(model, prompt, engine, k, backend));
            Assert.Equal(expected, await Tokens(model, longer, engine, 0));
            Assert.Equal(answer, await Tokens(model, prompt, engine, 0));
        }
    }

    /// <summary>On a device operations are collected before they run: what was collected of a step that failed never does.</summary>
    [Fact]
    public async Task LaunchesOfAStepThatFailedNeverRun()
    {
        using var driver = new EmulatedCudaDriver(new EmulatedDriverOptions { RecordLaunches = true });
        FailingBackend? backend = null;
        using Llama4Model model = Llama4Model.Load(ModelFixture.Folder("tiny-flat"), new ModelOptions { CreateBackend = () => backend = new FailingBackend(EmulatedBackend.Create(driver)) });
        await using var engine = new Llama4Engine(model);
        int before = driver.Launches.Count;
        await Assert.ThrowsAsync<InjectedFaultException>(() => Tokens(model, [1, 2, 3], engine, 30, backend));
        float[] values = new float[4];
        backend!.Download(model.Text.Weights.FinalNorm.As(1, 4), values);
        Assert.Equal(before, driver.Launches.Count);
        Assert.Equal(8, (await Tokens(model, [1, 2, 3], engine, 0)).Length);
        Assert.True(driver.Launches.Count > before);
    }

    private static async Task<int[]> Tokens(Llama4Model model, int[] prompt, Llama4Engine? engine, int failAfter, FailingBackend? backend = null)
    {
        await using Llama4Engine? own = engine is null ? new Llama4Engine(model) : null;
        backend?.FailAfter(failAfter);
        List<int> tokens = [];
        try
        {
            await foreach (GenerationUpdate update in (engine ?? own!).GenerateAsync(new(Prompt.FromIds(prompt), s_greedy)))
            {
                tokens.Add(update.TokenId!.Value);
            }
        }
        finally
        {
            backend?.Disarm();
        }
        return [.. tokens];
    }
}
