using Llama4Kernels.Engine.KvCache;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Scheduling;
using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.PtxEmulator.Driver;
using Llama4Kernels.Kernels.Sampling;
using Llama4Kernels.Tests.Engine.Model;
using Llama4Kernels.Tests.Kernels.Backends.Cuda;

namespace Llama4Kernels.Tests.Engine.Scheduling;

/// <summary>A step fails at its k-th operation, for every k: each sequence stays as it was, no block is lost, and the step succeeds when it is tried again.</summary>
public sealed class StepFaultTests
{
    [Theory]
    [InlineData("tiny-scout")]
    [InlineData("tiny-maverick")]
    public void OnTheProcessor(string name)
    {
        FailingBackend? backend = null;
        using Llama4Model model = Llama4Model.Load(ModelFixture.Folder(name), new ModelOptions
        {
            LoadVision = false,
            CreateBackend = () => backend = new FailingBackend(new CpuBackend(new CpuBackendOptions { Threads = 1 })),
        });
        Assert.True(FailEverywhere(model, backend!, stride: 1) > 40);
    }

    [Fact]
    public void OnADevice()
    {
        using var driver = new EmulatedCudaDriver();
        FailingBackend? backend = null;
        using Llama4Model model = Llama4Model.Load(ModelFixture.Folder("tiny-flat"), new ModelOptions
        {
            CreateBackend = () => backend = new FailingBackend(EmulatedBackend.Create(driver)),
        });
        // A prime: every kind of operation comes sooner or later.
        Assert.True(FailEverywhere(model, backend!, stride: 11) > 4);
        Assert.Empty(driver.Findings);
    }

    /// <summary>A step of a decode, a piece that ends its chunk and one that begins a prompt; returns how often it failed.</summary>
    private static int FailEverywhere(Llama4Model model, FailingBackend backend, int stride)
    {
        using var runner = new StepRunner(model, new EngineOptions { StepRows = 64, MaxLogitRows = 4, BlockTokens = 8, MaxContext = 128 });
        int[] a = MetamorphicTests.Ids(30, 1), b = MetamorphicTests.Ids(40, 2), c = MetamorphicTests.Ids(9, 3);
        float[][]? expected = null;
        int failures = 0;
        for (int k = 0; ; k += stride)
        {
            Sequence[] sequences = [runner.CreateSequence(), runner.CreateSequence(), runner.CreateSequence()];
            sequences[0].Append(a);
            sequences[1].Append(b);
            sequences[2].Append(c);
            runner.Run([new StepPart(sequences[0], 29, 0), new StepPart(sequences[1], 20, 0)]);
            long used = runner.Pool.UsedBytes;
            StepPart[] parts = [new(sequences[1], 12, 1), new(sequences[0], 1, 1), new(sequences[2], 9, 2)];
            bool failed = false;
            // At first without a fault: what should come out.
            if (expected is not null)
            {
                backend.FailAfter(k);
                try
                {
                    runner.Run(k % 2 == 0 ? [.. parts.Select(part => part with { Rule = DrawRule.Best })] : parts);
                }
                catch (InjectedFaultException)
                {
                    failed = true;
                    failures++;
                    Assert.Equal([29, 20, 0], sequences.Select(sequence => sequence.Length));
                    Assert.Equal(used, runner.Pool.UsedBytes);
                }
                backend.Disarm();
                if (!failed)
                {
                    return failures;
                }
            }
            StepResult result = runner.Run(parts);
            float[][] logits = [result.Logits(0).ToArray(), result.Logits(1).ToArray(), result.Logits(2).ToArray(), result.Logits(2, 1).ToArray()];
            if (expected is null)
            {
                expected = logits;
                k -= stride;
            }
            Assert.Equal(expected, logits);
            Assert.Equal([30, 32, 9], sequences.Select(sequence => sequence.Length));
            foreach (Sequence sequence in sequences)
            {
                sequence.Dispose();
            }
            Assert.Equal((0, 0), (runner.Pool.UsedBlocks(BlockKind.Chunked), runner.Pool.UsedBlocks(BlockKind.Full)));
        }
    }
}
