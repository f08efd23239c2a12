using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Diagnostics;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Scheduling;
using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Tests.Engine.Model;

namespace Llama4Kernels.Tests.Engine.Scheduling;

/// <summary>Whatever is disposed, whenever and by whom: later calls are typed errors, and the process lives.</summary>
public sealed class LifetimeTests
{
    private static readonly EngineOptions s_sizes = new() { StepRows = 16, MaxLogitRows = 2, MaxContext = 64 };

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void NothingRunsAfterTheRunnerOrTheModelIsDisposed(bool disposeModel)
    {
        using Llama4Model model = Llama4Model.Load(ModelFixture.Folder("tiny-flat"), new ModelOptions { Threads = 1 });
        using var runner = new ModelRunner(model, s_sizes);
        using Sequence sequence = runner.CreateSequence(), empty = runner.CreateSequence();
        runner.Prefill(sequence, Prompt.FromIds(1, 2, 3));
        if (disposeModel)
        {
            model.Dispose();
            model.Dispose();
        }
        else
        {
            runner.Dispose();
            runner.Dispose();
        }
        Assert.Throws<ObjectDisposedException>(() => runner.Logits());
        Assert.Throws<ObjectDisposedException>(() => runner.Decode([sequence], [1]));
        Assert.Throws<ObjectDisposedException>(() => runner.Prefill(empty, Prompt.FromIds(1, 2, 3, 4)));
        Assert.Throws<ObjectDisposedException>(() => runner.Append(sequence, [1, 2], 0, null));
        if (disposeModel)
        {
            Assert.Throws<ObjectDisposedException>(() => new ModelRunner(model, s_sizes));
        }
        else
        {
            Assert.Throws<ObjectDisposedException>(runner.CreateSequence);
        }
    }

    [Fact]
    public void ADisposedSequenceIsRefusedAndHasGivenItsBlocksBack()
    {
        using Llama4Model model = Llama4Model.Load(ModelFixture.Folder("tiny-flat"), new ModelOptions { Threads = 1 });
        using var runner = new ModelRunner(model, s_sizes);
        using Sequence other = runner.CreateSequence();
        runner.Prefill(other, Prompt.FromIds(4, 5));
        long used = runner.Cache.UsedBytes;
        Sequence sequence = runner.CreateSequence();
        runner.Prefill(sequence, Prompt.FromIds(1, 2, 3));
        sequence.Dispose();
        sequence.Dispose();
        Assert.Equal(used, runner.Cache.UsedBytes);
        Assert.Throws<ObjectDisposedException>(() => runner.Decode([other, sequence], [1, 1]));
        Assert.Throws<ObjectDisposedException>(() => runner.Prefill(sequence, Prompt.FromIds(1)));
        Assert.Equal(2, other.Length);
    }

    [Fact]
    public void AModelCannotBeDisposedWithinItsOwnStep()
    {
        FailingBackend? backend = null;
        using Llama4Model model = Llama4Model.Load(ModelFixture.Folder("tiny-flat"), new ModelOptions
        {
            CreateBackend = () => backend = new FailingBackend(new CpuBackend(new CpuBackendOptions { Threads = 1 })),
        });
        using var runner = new ModelRunner(model, s_sizes);
        using Sequence sequence = runner.CreateSequence();
        backend!.OnOperation = name =>
        {
            if (name == nameof(IBackend.Attention))
            {
                model.Dispose();
            }
        };
        Assert.Throws<InvalidOperationException>(() => runner.Prefill(sequence, Prompt.FromIds(1, 2)));
        backend.OnOperation = null;
        runner.Prefill(sequence, Prompt.FromIds(1, 2));
        Assert.Equal(2, sequence.Length);
    }

    [Fact]
    public void WhatOptionsAskOfABackendThatIsHandedInIsNotIgnored()
    {
        static CpuBackend Backend() => new(new CpuBackendOptions { Threads = 1 });
        ArgumentException precision = Assert.Throws<ArgumentException>(() =>
            Llama4Model.Load(ModelFixture.Folder("tiny-flat"), new ModelOptions { CreateBackend = Backend, Activations = ActivationPrecision.BFloat16 }));
        Assert.Contains("BFloat16", precision.Message);
        Assert.Throws<ArgumentException>(() => Llama4Model.Load(ModelFixture.Folder("tiny-flat"), new ModelOptions { CreateBackend = Backend, Threads = 2 }));
        Llama4Model.Load(ModelFixture.Folder("tiny-flat"), new ModelOptions { CreateBackend = Backend }).Dispose();
    }
}
