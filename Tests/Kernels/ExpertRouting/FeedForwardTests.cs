using System.Runtime.InteropServices;
using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Backends.Cuda;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.Kernels.ExpertRouting;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.PtxEmulator.Driver;
using Llama4Kernels.PtxEmulator.Findings;
using Llama4Kernels.Tests.Kernels.Backends.Cuda;
using Llama4Kernels.Tests.Kernels.Ptx;
using DeviceLimits = Llama4Kernels.Kernels.Contracts.Cuda.DeviceLimits;

namespace Llama4Kernels.Tests.Kernels.ExpertRouting;

/// <summary>Whole feed-forward blocks through the backend, beside the same block step by step.</summary>
public sealed class FeedForwardTests
{
    private const int Hidden = 256, Width = 128, Count = 5;

    /// <summary>With and without experts, twice, so that one block's operands are overwritten by the next one's while grids overlap.</summary>
    [Theory]
    [InlineData(Count)]
    [InlineData(0)]
    public void ABlockIsThatOfItsSteps(int experts)
    {
        using var emulated = new Device(WeightFormat.Int4, experts);
        CudaBackend backend = emulated.Backend;
        float[] whole = emulated.Run(block => Assert.True(backend.TryFeedForward(block)));
        float[] steps = emulated.Run(block => emulated.StepByStep(block));
        double range = steps.Max(Math.Abs);
        // Step by step the score multiplies x before it is rounded.
        Assert.All(whole.Zip(steps), pair => Assert.InRange(pair.First, pair.Second - (0.01 * range), pair.Second + (0.01 * range)));
        Assert.NotEqual(emulated.Start, whole);
        Assert.Empty(emulated.Driver.Findings);
    }

    [Fact]
    public void WhatHasNoSuchKernelsIsLeftAlone()
    {
        using var device = new Device(WeightFormat.Int4, Count);
        using var stored = new Device(null, Count);
        FeedForwardBlock good = device.Block(1);
        DeviceLimits limits = DeviceLimits.Get("rtx4090");
        string? Why(FeedForwardBlock block, ActivationPrecision activations = ActivationPrecision.BFloat16, DeviceLimits? on = null) => FeedForwardCuda.WhyNot(block, activations, on ?? limits);
        Assert.All(DeviceLimits.Known, known => Assert.Null(Why(good, on: known)));
        Assert.Equal("is for one row", Why(device.Block(2)));
        Assert.Equal("is for activations that may be rounded", Why(good, ActivationPrecision.Float32));
        Assert.Equal("is for sm_80 and later", Why(good, on: limits with { Sm = 75 }));
        Assert.Equal("is for devices with more shared memory a block", Why(good, on: limits with { SharedBytes = 48 << 10 }));
        Assert.Equal("is for int4 weights in tiles", Why(stored.Block(1)));
        Assert.Equal("is for one expert a row", Why(good with { TopK = 2 }));
        Assert.Equal("is for routers in bf16", Why(good with { Router = good.Down }));
        Assert.Equal("is for experts of int4 weights in tiles", Why(good with { Experts = stored.Block(1).Experts }));
        Assert.False(device.Backend.TryFeedForward(device.Block(2)));
        Assert.Equal(device.Start, device.Run(block => Assert.False(device.Backend.TryFeedForward(block with { TopK = 2 }))));
    }

    [Fact]
    public void WrongShapesAreRefused()
    {
        using var device = new Device(WeightFormat.Int4, Count);
        FeedForwardBlock good = device.Block(1);
        Assert.Contains("GateUp is [256, 256], not [512, 256]", Assert.Throws<ArgumentException>(() => device.Backend.TryFeedForward(good with { Down = good.GateUp, Experts = default, Router = null })).Message, StringComparison.Ordinal);
        Assert.Contains("with 0 experts has a router", Assert.Throws<ArgumentException>(() => device.Backend.TryFeedForward(good with { Experts = default })).Message, StringComparison.Ordinal);
        Assert.Contains("Router is [5, 256], not [4, 256]", Assert.Throws<ArgumentException>(() => device.Backend.TryFeedForward(good with { Experts = good.Experts[..4] })).Message, StringComparison.Ordinal);
        ExpertWeights[] turned = [.. good.Experts.ToArray().Reverse()];
        Assert.Contains("not one stack in order", Assert.Throws<ArgumentException>(() => device.Backend.TryFeedForward(good with { Experts = turned })).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => device.Backend.TryFeedForward(good with { Norm = good.Norm with { Columns = 128 } }));
    }

    /// <summary>Each grid begins while the one before it still runs; what is touched before the wait is found, in a kernel without it.</summary>
    [Theory]
    [InlineData(null)]
    [InlineData(NormRouterPtx.Name)]
    [InlineData(ExpertGateUpPtx.Name)]
    [InlineData(ExpertDownPtx.Name)]
    public void GridsWaitForEachOther(string? damaged)
    {
        for (int seed = 0; seed < (damaged is null ? 5 : 1); seed++)
        {
            using var device = new Device(WeightFormat.Int4, 2, new EmulatedDriverOptions { Launch = new() { Seed = seed, Workers = 1 } }, new WaitlessModules(damaged));
            try
            {
                device.Run(block => FeedForwardCuda.TryRun(device.Queue, ActivationPrecision.BFloat16, device.Scratch, block));
            }
            catch (CudaException) when (damaged is not null)
            {
                // The driver's findings say what it was.
            }
            Assert.Equal(damaged is null ? [] : [PtxFindingKind.MissingWait], device.Driver.Findings.Select(finding => finding.Kind));
        }
    }

    /// <summary>A device with a block's weights.</summary>
    private sealed class Device : IDisposable
    {
        private readonly CudaContext _context;
        private readonly IMatrix[] _gateUp, _down;
        private readonly IMatrix? _router;
        private readonly DeviceMemory _memory;
        private readonly int _experts;
        private readonly Random _random = new(6);

        public Device(WeightFormat? format, int experts, EmulatedDriverOptions? options = null, IKernelModules? modules = null)
        {
            Driver = new EmulatedCudaDriver(options ?? new EmulatedDriverOptions());
            _experts = experts;
            Backend = EmulatedBackend.Create(Driver, new CudaBackendOptions { ArenaBytes = 4 << 20, StagingBytes = 1 << 20, Precision = ActivationPrecision.BFloat16 });
            _context = CudaContext.RetainPrimary(Driver);
            Queue = new CudaQueue(_context, modules ?? EmulatedBackend.Modules, null, 1 << 20, 1 << 20, 4);
            Scratch = new CudaScratch(Queue);
            _gateUp = [Stack(1, 2 * Width, Hidden, format)[0], .. Stack(experts, 2 * Width, Hidden, format)];
            _down = [Stack(1, Hidden, Width, format)[0], .. Stack(experts, Hidden, Width, format)];
            _router = experts > 0 ? Stack(1, experts, Hidden, WeightFormat.BF16)[0] : null;
            _memory = Backend.Allocate(8 * Hidden * sizeof(float));
            Start = Values(2 * Hidden, 1);
            Backend.Upload(Values(Hidden, 1), _memory.View(1, Hidden));
        }

        public EmulatedCudaDriver Driver { get; }

        public CudaBackend Backend { get; }

        public CudaQueue Queue { get; }

        public CudaScratch Scratch { get; }

        public float[] Start { get; }

        public FeedForwardBlock Block(int rows, int first = 0) => new(
            _memory.View(rows, Hidden, (1 + first) * Hidden * sizeof(float)), _memory.View(1, Hidden), 1e-5f, _gateUp[0], _down[0], _router,
            _gateUp.Skip(1).Zip(_down.Skip(1), (gateUp, down) => new ExpertWeights(gateUp, down)).ToArray(), 1);

        /// <summary>Two rows, one after the other, from the same beginning.</summary>
        public float[] Run(Action<FeedForwardBlock> run)
        {
            Backend.Upload(Start, _memory.View(2, Hidden, Hidden * sizeof(float)));
            Backend.BeginStep(2, repeats: false);
            run(Block(1));
            run(Block(1, first: 1));
            Backend.EndStep();
            Queue.Synchronize();
            float[] results = new float[2 * Hidden];
            Backend.Download(_memory.View(2, Hidden, Hidden * sizeof(float)), results);
            return results;
        }

        public void StepByStep(FeedForwardBlock block)
        {
            using DeviceMemory memory = Backend.Allocate(((2 * Hidden) + (3 * Width) + Count) * sizeof(float));
            Tensor normed = memory.View(1, Hidden), sum = memory.View(1, Hidden, Hidden * sizeof(float)), gateUp = memory.View(1, 2 * Width, 2 * Hidden * sizeof(float));
            Tensor gated = memory.View(1, Width, ((2 * Hidden) + (2 * Width)) * sizeof(float)), logits = memory.View(1, Math.Max(_experts, 1), ((2 * Hidden) + (3 * Width)) * sizeof(float));
            Backend.RmsNorm(block.Hidden, block.Norm, block.Eps, normed);
            Backend.Linear(normed, block.GateUp, null, gateUp);
            Backend.SwiGlu(gateUp, gated);
            Backend.Linear(gated, block.Down, null, sum);
            if (block.Router is not null)
            {
                using Routing routing = Backend.CreateRouting(1, _experts, 1);
                Backend.Linear(normed, block.Router, null, logits);
                Backend.RouteTopK(logits, routing);
                Backend.ExpertFeedForward(normed, routing, block.Experts.Span, sum);
            }
            Backend.Add(sum, block.Hidden);
        }

        public void Dispose()
        {
            foreach (IMatrix matrix in _gateUp.Concat(_down).Append(_router).OfType<IMatrix>())
            {
                matrix.Dispose();
            }
            _memory.Dispose();
            Scratch.Dispose();
            Queue.Dispose();
            _context.Dispose();
            Backend.Dispose();
            Driver.Dispose();
        }

        private float[] Values(int count, float scale) => [.. Enumerable.Range(0, count).Select(_ => ((_random.NextSingle() * 2) - 1) * scale)];

        private IMatrix[] Stack(int count, int rows, int columns, WeightFormat? format)
        {
            if (count == 0)
            {
                return [];
            }
            ushort[] values = [.. Values(count * rows * columns, 0.2f).Select(Bf16.FromSingle)];
            GCHandle pin = GCHandle.Alloc(values, GCHandleType.Pinned);
            try
            {
                return Backend.PackStack(count, i => ([MatrixSource.RowMajor(pin.AddrOfPinnedObject() + (i * rows * columns * sizeof(ushort)), ElementType.BF16, rows, columns)], format));
            }
            finally
            {
                pin.Free();
            }
        }
    }
}
