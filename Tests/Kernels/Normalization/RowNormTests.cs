using System.Runtime.InteropServices;
using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.Kernels.Normalization;
using Llama4Kernels.Kernels.Ptx;
using Llama4Kernels.PtxEmulator.Counting;
using Llama4Kernels.PtxEmulator.Driver;
using Llama4Kernels.PtxEmulator.Execution;
using Llama4Kernels.PtxEmulator.Findings;
using Llama4Kernels.PtxEmulator.Parsing;
using Llama4Kernels.Tests.Kernels.Backends.Cuda;
using Llama4Kernels.Tests.Kernels.Ptx;
using Llama4Kernels.Tests.PtxEmulator.Mutation;
using DeviceLimits = Llama4Kernels.Kernels.Contracts.Cuda.DeviceLimits;

namespace Llama4Kernels.Tests.Kernels.Normalization;

/// <summary>RMS norm of rows that a block holds, against <see cref="Oracles.NormOracle"/>.</summary>
public class RowNormTests
{
    [Theory]
    [InlineData(1, 4)]
    [InlineData(2, 132)]
    [InlineData(3, 1024)]
    [InlineData(2, 1028)]
    [InlineData(3, 5120)]
    [InlineData(2, 8188)]
    [InlineData(1, 8192)]
    public void RowsAreThoseOfTheOracle(int rows, int columns)
    {
        var subject = new RowNormCase(rows, columns, seed: columns);
        foreach (int sm in PtxKernelModules.All.Targets(RmsNormPtx.Name).Select(target => target.Sm))
        {
            foreach (bool inPlace in (bool[])[false, true])
            {
                subject.Launch(inPlace).CheckOrders(Parsed(sm), RmsNormPtx.Name, orders: 4, results: 1);
            }
        }
    }

    /// <summary>What is no number, or no finite one, makes its own row no numbers or zeros, and no other's.</summary>
    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void WhatIsNoNumberStaysInItsRow(float value)
    {
        var subject = new RowNormCase(3, 260, seed: 1);
        MutationLaunch good = subject.Launch(inPlace: false);
        subject.X[260 + 77] = value;
        MutationLaunch launch = subject.Launch(inPlace: false);
        launch.Run(Parsed(80), RmsNormPtx.Name, new LaunchOptions { Workers = 1 }, out byte[][] results);
        float[] y = MemoryMarshal.Cast<byte, float>(results[^1]).ToArray(), expected = MemoryMarshal.Cast<byte, float>(good.Buffers[^1].Expected).ToArray();
        Assert.True(float.IsNaN(y[260 + 77]));
        foreach (int i in Enumerable.Range(0, y.Length).Where(i => i / 260 != 1))
        {
            Assert.InRange(y[i], expected[i] - 1e-5f, expected[i] + 1e-5f);
        }
    }

    /// <summary>A row of Llama 4: few instructions, whole sectors, each byte once, and all of the row and its weights under way.</summary>
    [Fact]
    public void Counters()
    {
        const int Columns = 5120;
        MutationLaunch launch = new RowNormCase(1, Columns, seed: 7).Launch(inPlace: false);
        PtxModule module = Parsed(80);
        var profile = new LaunchProfile(launch.Run(module, RmsNormPtx.Name, new LaunchOptions { Workers = 1, CountMemory = true }, out _));
        Assert.InRange(profile.Instructions / (Columns / 32.0), 0, 17);
        Assert.Equal(1, profile.SectorEfficiency, 3);
        Assert.Equal(0, profile.BankConflicts);
        Assert.Equal(2 * Columns * sizeof(float), profile.GlobalReadBytes);
        Assert.Equal(Columns * sizeof(float), profile.GlobalWriteBytes);
    }

    [Fact]
    public void RecordsSayWhatTheyAreFor()
    {
        Func<RmsNormCase, string?> whyNot = RmsNormCuda.Records.All[0].WhyNot;
        Assert.All(DeviceLimits.Known, device => Assert.Null(whyNot(new RmsNormCase(5120, true, device.Sm))));
        Assert.Equal("is for sm_80 and later", whyNot(new RmsNormCase(5120, true, 75)));
        Assert.Equal("is for rows of 1024 columns and more, which give each of a block's threads some", whyNot(new RmsNormCase(1020, true, 90)));
        Assert.Equal("is for up to 8192 columns", whyNot(new RmsNormCase(8196, true, 90)));
        Assert.Equal("is for columns in multiples of 4 that begin at multiples of 16 bytes", whyNot(new RmsNormCase(5122, true, 90)));
        Assert.Equal("is for columns in multiples of 4 that begin at multiples of 16 bytes", whyNot(new RmsNormCase(5120, false, 90)));
    }

    /// <summary>Norms of norms on sm_90, each of which begins while the one before runs; operands that begin anywhere take the other record.</summary>
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void GridsWaitForEachOther(int shift)
    {
        for (int seed = 0; seed < 5; seed++)
        {
            Assert.Empty(Run(seed, shift, isDamaged: false));
        }
    }

    [Fact]
    public void WithoutItsWaitItIsFound() => Assert.Equal(PtxFindingKind.MissingWait, Assert.Single(Run(0, 0, isDamaged: true)).Kind);

    private static IReadOnlyList<PtxFinding> Run(int seed, int shift, bool isDamaged)
    {
        const int Columns = 1028;
        using var driver = new EmulatedCudaDriver(new EmulatedDriverOptions { Launch = new() { Seed = seed, Workers = 1 } });
        using CudaContext context = CudaContext.RetainPrimary(driver);
        using var queue = new CudaQueue(context, new CombinedKernelModules(new WaitlessModules(isDamaged ? RmsNormPtx.Name : null), EmulatedBackend.Modules), null, 1 << 20, 1 << 20, 4);
        using ArenaMemory memory = queue.Allocate(((3 * 2 * Columns) + Columns + 4) * sizeof(float));
        Tensor At(int place, int rows) => memory.View(rows, Columns, ((place * Columns) + shift) * (long)sizeof(float));
        Tensor x = At(0, 2), y = At(2, 2), z = At(4, 2), weight = At(6, 1);
        float[] values = [.. Enumerable.Range(0, 2 * Columns).Select(i => ((i * 7) % 13) - 6f)];
        queue.Upload<float>(values, x.Address);
        queue.Upload<float>([.. Enumerable.Repeat(1f, Columns)], weight.Address);
        try
        {
            RmsNormCuda.Run(queue, x, weight, 1e-5f, y);
            RmsNormCuda.Run(queue, y, weight, 1e-5f, z);
            float[] results = new float[2 * Columns];
            queue.Download(z.Address, MemoryMarshal.AsBytes(results.AsSpan()));
            for (int row = 0; row < 2; row++)
            {
                Assert.Equal(Columns, results.Skip(row * Columns).Take(Columns).Sum(value => (double)value * value), 0.1);
            }
        }
        catch (CudaException) when (isDamaged)
        {
            // The driver's findings say what it was.
        }
        return driver.Findings;
    }

    private static PtxModule Parsed(int sm) => PtxModule.Parse(PtxKernelModules.All.Get(RmsNormPtx.Name, sm).Text);
}
