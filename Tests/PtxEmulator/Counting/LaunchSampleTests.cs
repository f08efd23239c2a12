using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.PtxEmulator.Counting;
using Llama4Kernels.PtxEmulator.Driver;

namespace Llama4Kernels.Tests.PtxEmulator.Counting;

/// <summary>Counters of a launch from some of its blocks, and the plan that holds the launch.</summary>
public sealed class LaunchSampleTests : IDisposable
{
    private const int Blocks = 2000;

    /// <summary>Block n reads its own 128 bytes of a, all 128 bytes of b and loops n times; it writes 128 bytes of its own.</summary>
    private const string Text = """
        .version 7.0
        .target sm_80
        .address_size 64
        .visible .entry grows(.param .u64 a, .param .u64 b, .param .u64 y)
        {
            .reg .pred %p;
            .reg .b32 %r<8>;
            .reg .b64 %rd<8>;
            ld.param.u64 %rd1, [a];
            ld.param.u64 %rd2, [b];
            ld.param.u64 %rd3, [y];
            mov.u32 %r1, %ctaid.x;
            mov.u32 %r2, %tid.x;
            mad.lo.s32 %r3, %r1, 32, %r2;
            mul.wide.u32 %rd4, %r3, 4;
            mul.wide.u32 %rd5, %r2, 4;
            add.s64 %rd1, %rd1, %rd4;
            add.s64 %rd2, %rd2, %rd5;
            add.s64 %rd3, %rd3, %rd4;
            ld.global.u32 %r4, [%rd1];
            ld.global.u32 %r5, [%rd2];
            mov.u32 %r6, 0;
        $loop:
            add.u32 %r4, %r4, %r5;
            add.u32 %r6, %r6, 1;
            setp.le.u32 %p, %r6, %r1;
            @%p bra $loop;
            st.global.u32 [%rd3], %r4;
            ret;
        }
        """;

    private readonly EmulatedCudaDriver _driver = new(new EmulatedDriverOptions { IsPlan = true, MemoryBytes = 1L << 44 });
    private readonly CudaContext _context;
    private readonly CudaStream _stream;
    private readonly CudaMemory _a, _b, _y;
    private readonly CudaModule _module;

    public LaunchSampleTests()
    {
        _context = CudaContext.RetainPrimary(_driver);
        _stream = CudaStream.Create(_context);
        _module = CudaModule.Load(_context, Text);
        // More than any host has.
        _a = CudaMemory.Allocate(_context, 1L << 40);
        _b = CudaMemory.Allocate(_context, 128);
        _y = CudaMemory.Allocate(_context, Blocks * 128);
    }

    public void Dispose()
    {
        _module.Dispose();
        _a.Dispose();
        _b.Dispose();
        _y.Dispose();
        _stream.Dispose();
        _context.Dispose();
        _driver.Dispose();
    }

    [Fact]
    public void SomeBlocksTellWhatAllDo()
    {
        PlannedLaunch launch = Planned(Blocks);
        LaunchSample some = LaunchSample.Take(launch, Views, DeviceFigures.H100, budget: 1), all = LaunchSample.Take(launch, Views, DeviceFigures.H100, budget: 0);
        Assert.Equal((16, Blocks), (some.SampledBlocks, all.SampledBlocks));
        // Each block is taken with its mirror image: what grows evenly is met exactly.
        Assert.Equal(all.Work.Instructions, some.Work.Instructions, 1e-3);
        Assert.Equal(all.Instructions, all.Work.Instructions);
        Assert.Equal(Blocks * 20 + (4.0 * Blocks * (Blocks - 1) / 2), all.Work.Instructions, 1e-3);
        Assert.Equal((Blocks * 128) + 128, all.Work.HbmReadBytes);
        Assert.Equal(all.Work.HbmReadBytes, some.Work.HbmReadBytes, 1e-3);
        Assert.Equal(Blocks * 128, some.Work.HbmWriteBytes, 1e-3);
        Assert.Equal(Blocks * 3 * 128, some.Work.L2Bytes, 1e-3);
        Assert.Equal(Blocks, some.Work.Blocks);
    }

    /// <summary>A view that is longer than what is touched says nothing; that all blocks met at the same bytes does.</summary>
    [Fact]
    public void WhereBlocksMeetTheirBytesCountOnce()
    {
        PlannedLaunch launch = Planned(Blocks);
        LaunchSample sample = LaunchSample.Take(launch, [(_a.Address, 1L << 38), (_b.Address, 1L << 38), (_y.Address, Blocks * 32)], DeviceFigures.H100, budget: 1);
        Assert.Equal((Blocks * 128) + 128, sample.Work.HbmReadBytes, 1.0);
    }

    [Fact]
    public void SmallGridsAreCountedWhole()
    {
        LaunchSample sample = LaunchSample.Take(Planned(5), Views, DeviceFigures.H100);
        Assert.Equal(5, sample.SampledBlocks);
        Assert.Equal((5 * 128) + 128, sample.Work.HbmReadBytes);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(7)]
    [InlineData(1000)]
    public void TheOrderHasEveryBlockOnce(int blocks) => Assert.Equal(Enumerable.Range(0, blocks).Select(block => (long)block), SampleOrder.Of(blocks).Order());

    /// <summary>Whatever repeats along a grid, the first blocks of the order fall on it evenly.</summary>
    [Theory]
    [InlineData(4)]
    [InlineData(16)]
    [InlineData(132)]
    public void TheOrderFallsEvenlyOnPeriods(int period)
    {
        int[] met = [.. SampleOrder.Of(1_000_000).Take(64 * period).Select(block => (int)(block % period)).GroupBy(block => block).Select(group => group.Count())];
        Assert.Equal(period, met.Length);
        Assert.All(met, count => Assert.InRange(count, 32, 128));
    }

    [Fact]
    public void APlanNotesAndDoesNotRun()
    {
        _ = Planned(3);
        byte[] result = new byte[128];
        _y.Read<byte>(result);
        Assert.All(result, value => Assert.Equal(0, value));
        Assert.Empty(_driver.Launches);
        Assert.Empty(_driver.TakePlanned());
        Assert.Equal((1L << 40) + 128 + (Blocks * 128), _driver.UsedBytes);
    }

    private (nint, long)[] Views => [(_a.Address, 32 * Blocks), (_b.Address, 32), (_y.Address, 32 * Blocks)];

    private PlannedLaunch Planned(int blocks)
    {
        _module.GetFunction("grows").Launch(_stream, new CudaLaunchConfig(new(blocks), new(32)), new CudaKernelArguments().Add(_a.Address).Add(_b.Address).Add(_y.Address));
        return Assert.Single(_driver.TakePlanned());
    }
}
