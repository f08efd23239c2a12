using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Checkpoints;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Scheduling;
using Llama4Kernels.Engine.Serving;
using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Tests.Engine.Checkpoints;
using Llama4Kernels.Tests.Engine.Scheduling;

namespace Llama4Kernels.Tests.Engine.Model;

/// <summary>Loading that fails or is cancelled, wherever it stands, gives everything back: packed weights, memory, the backend, the mapped files.</summary>
public sealed class LoadFaultTests
{
    private static readonly EngineOptions s_sizes = new() { StepRows = 16, MaxContext = 64 };

    [Theory]
    [InlineData("tiny-scout")]
    [InlineData("nano")]
    public async Task AFailureAtAnyTensorGivesEverythingBack(string name)
    {
        using var folder = new TemporaryFolder();
        folder.CopyModel(ModelFixture.Folder(name));
        int failures = 0;
        // A prime: tensors of all kinds come sooner or later.
        for (int k = 0; ; k += 11)
        {
            FailingBackend? backend = null;
            try
            {
                await using Llama4Engine engine = await Llama4Engine.LoadAsync(folder.Path, Options(made => (backend = made).FailAfter(k)), s_sizes);
                backend!.Disarm();
                Assert.InRange(failures, 5, 1000);
                return;
            }
            catch (InjectedFaultException)
            {
                failures++;
                CheckGivenBack(backend!, folder.Path);
            }
        }
    }

    [Fact]
    public async Task CancellingAtAnyMomentGivesEverythingBack()
    {
        using var folder = new TemporaryFolder();
        folder.CopyModel(ModelFixture.Folder("tiny-scout"));
        for (int k = 1; ; k += 5)
        {
            FailingBackend? backend = null;
            using var cancel = new CancellationTokenSource();
            var progress = new Cancelling(k, cancel);
            try
            {
                await using Llama4Engine engine = await Llama4Engine.LoadAsync(folder.Path, Options(made => backend = made), s_sizes, progress, cancel.Token);
                Assert.InRange(k, 20, 1000);
                Assert.Equal(progress.Last.BytesTotal, progress.Last.BytesDone);
                return;
            }
            catch (OperationCanceledException)
            {
                Assert.Equal(k, progress.Reports);
                CheckGivenBack(backend!, folder.Path);
            }
        }
    }

    /// <summary>What is wrong with a folder or with the options is found before the first weight is packed.</summary>
    [Theory]
    [InlineData("preprocessor_config.json", "[]")]
    [InlineData("tokenizer.json", "{}")]
    [InlineData("config.json", "{}")]
    [InlineData("model.safetensors", "no header")]
    public void WhatIsWrongIsFoundBeforeAWeightIsPacked(string file, string content)
    {
        using var folder = new TemporaryFolder();
        folder.CopyModel(ModelFixture.Folder("tiny-scout"));
        folder.Write(file, content);
        FailingBackend? backend = null;
        ModelFormatException error = Assert.Throws<ModelFormatException>(() => Llama4Model.Load(folder.Path, Options(made => backend = made), null, TestContext.Current.CancellationToken));
        Assert.Contains(file, error.Message, StringComparison.Ordinal);
        // Not even the backend was needed.
        Assert.Null(backend);
    }

    [Fact]
    public void AFormatThatAWeightCannotHaveIsFoundBeforeAWeightIsPacked()
    {
        // Its experts have 64 inputs, a group of int4 has 128.
        using var folder = new TemporaryFolder();
        folder.CopyModel(ModelFixture.Folder("tiny-maverick"));
        var seen = new Cancelling(int.MaxValue, null);
        FailingBackend? backend = null;
        ModelFormatException error = Assert.Throws<ModelFormatException>(() =>
            Llama4Model.Load(folder.Path, Options(made => backend = made) with { Weights = WeightScheme.Int4, Include = LinearParts.Experts }, seen, TestContext.Current.CancellationToken));
        Assert.Contains("experts of layer", error.Message, StringComparison.Ordinal);
        Assert.Equal((0, 0), (seen.Reports, backend!.Packed.Count));
        CheckGivenBack(backend, folder.Path);
    }

    private static ModelOptions Options(Action<FailingBackend> made) => new()
    {
        CreateBackend = () =>
        {
            var backend = new FailingBackend(new CpuBackend(new CpuBackendOptions { Threads = 1 }));
            made(backend);
            return backend;
        },
    };

    private static void CheckGivenBack(FailingBackend backend, string folder)
    {
        Assert.True(backend.IsDisposed);
        Assert.Equal(0, backend.LiveMemory);
        using var other = new CpuBackend(new CpuBackendOptions { Threads = 1 });
        foreach (IMatrix matrix in backend.Packed)
        {
            using DeviceMemory x = other.Allocate(4L * matrix.Columns), y = other.Allocate(4L * matrix.Rows);
            Assert.Throws<ObjectDisposedException>(() => other.Linear(x.View(1, matrix.Columns), matrix, null, y.View(1, matrix.Rows)));
        }
        if (OperatingSystem.IsLinux())
        {
            Assert.DoesNotContain(File.ReadLines("/proc/self/maps"), line => line.Contains(folder, StringComparison.Ordinal));
            Assert.DoesNotContain(Directory.GetFiles("/proc/self/fd"), handle => new FileInfo(handle).LinkTarget?.StartsWith(folder, StringComparison.Ordinal) == true);
        }
    }

    private sealed class Cancelling(int at, CancellationTokenSource? cancel) : IProgress<LoadProgress>
    {
        public int Reports { get; private set; }

        public LoadProgress Last { get; private set; }

        public void Report(LoadProgress value)
        {
            Last = value;
            if (++Reports == at)
            {
                cancel!.Cancel();
            }
        }
    }
}
