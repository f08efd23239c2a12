using Llama4Kernels.PtxEmulator.Counting;

namespace Llama4Kernels.Tests.PtxEmulator.Counting;

/// <summary>The time model against figures computed by hand, the floors of decoding, and published measurements.</summary>
public class TimeModelTests
{
    private const double Micro = 1e-6;

    // 132 blocks that are resident at once: no tail, every multiprocessor has the same share.
    private static readonly KernelWork s_full = new() { Blocks = 132 };

    /// <summary>Bytes that a decoding step reads at least, and the time that takes: the table of the design note.</summary>
    [Theory]
    [InlineData(7168, 5120, 4.125, 5.65)]
    [InlineData(5120, 5120, 4.125, 4.03)]
    [InlineData(16384, 5120, 4.125, 12.9)]
    [InlineData(5120, 8192, 4.125, 6.46)]
    [InlineData(7168, 5120, 16, 21.9)]
    [InlineData(202048, 5120, 16, 618)]
    [InlineData(202048, 5120, 8, 309)]
    [InlineData(202048, 5120, 4.125, 159)]
    public void FloorsOfDecoding(int rows, int columns, double bits, double microseconds) =>
        Assert.Equal(microseconds, TimeModel.HbmFloor((double)rows * columns * bits / 8) / Micro, 0.006 * microseconds);

    [Fact]
    public void EachTermByHand()
    {
        // 3.35e12 * 0.92 bytes take a second if they are only read, 3.35e12 * 0.88 if some are written.
        Assert.Equal(1, Predict(s_full with { HbmReadBytes = 3.082e12 }).Hbm, 1e-9);
        Assert.Equal(1, Predict(s_full with { HbmReadBytes = 3.082e12 * 0.98, HbmWriteBytes = 3.082e12 * 0.02 }).Hbm, 1e-9);
        Assert.Equal(1, Predict(s_full with { HbmReadBytes = 1.474e12, HbmWriteBytes = 1.474e12 }).Hbm, 1e-9);
        // 4800 bytes per clock.
        Assert.Equal(1, Predict(s_full with { L2Bytes = 4800 * 1.755e9 }).L2, 1e-9);
        // One multiprocessor gets 51.2.
        Assert.Equal(1, Predict(s_full with { Blocks = 1, L2Bytes = 51.2 * 1.755e9 }).L2, 1e-9);
        // A wavefront or 128 bulk bytes per clock and multiprocessor.
        Assert.Equal(2, Predict(s_full with { Wavefronts = 132 * 1.755e9, BulkSharedBytes = 132 * 128 * 1.755e9 }).Shared, 1e-9);
        Assert.Equal(1, Predict(s_full with { Instructions = 4 * 132 * 1.755e9 }).Issue, 1e-9);
        Assert.Equal(1, Predict(s_full with { IntegerInstructions = 2 * 132 * 1.755e9 }).Issue, 1e-9);
        Assert.Equal(1, Predict(s_full with { FmaInstructions = 4 * 132 * 1.755e9 }).Issue, 1e-9);
        Assert.Equal(2, Predict(s_full with { SpecialInstructions = 132 * 1.755e9 }).Issue, 1e-9);
        Assert.Equal(1, Predict(s_full with { DoubleInstructions = 2 * 132 * 1.755e9 }).Issue, 1e-9);
        Assert.Equal(1, Predict(s_full with { MemoryInstructions = 132 * 1.755e9 }).Issue, 1e-9);
        // The slowest unit decides, they do not add up.
        Assert.Equal(2, Predict(s_full with { Instructions = 4 * 132 * 1.755e9, SpecialInstructions = 132 * 1.755e9 }).Issue, 1e-9);
        // 132 * 32 KB in flight in 0.65 us.
        Assert.Equal(0.65, Predict(s_full with { HbmReadBytes = 132 * 32768 * 1e6, BytesInFlight = 32768 }).Fill, 1e-9);
        Assert.Equal(0, Predict(s_full with { HbmReadBytes = 1e9 }).Fill);
    }

    [Theory]
    [InlineData(8, true, 8192)]
    [InlineData(16, true, 4096)]
    [InlineData(32, true, 2048)]
    [InlineData(64, false, 256 * 0.62)]
    [InlineData(16, false, 4096 * 0.62)]
    public void TensorRates(int bits, bool group, double perClock)
    {
        // A microsecond: short enough for the full clock.
        double operations = 132 * perClock * 1755;
        TimePrediction prediction = Predict(s_full with { Tensor = [new TensorWork(operations / 2, bits, group), new TensorWork(operations / 2, bits, group)] });
        Assert.Equal(Micro, prediction.Tensor, 1e-12);
        Assert.Equal(1.755e9, prediction.Clock);
        Assert.Equal("T_tc", prediction.Bound);
    }

    [Fact]
    public void LongTensorLoadLowersTheClock()
    {
        TensorWork work = new(132 * 4096 * 1.755e9 * 2e-3, 16, WarpGroup: true);
        TimePrediction prediction = Predict(s_full with { Tensor = [work] });
        Assert.Equal(1.5e9, prediction.Clock);
        Assert.Equal(2e-3 * 1.755 / 1.5, prediction.Tensor, 1e-9);
        // Memory decides here, so the clock stays.
        Assert.Equal(1.755e9, Predict(s_full with { Tensor = [work], HbmReadBytes = 1e12 }).Clock);
    }

    [Fact]
    public void StartAndEndAreAdded()
    {
        KernelWork work = s_full with { HbmReadBytes = 3.082e12 * 10 * Micro };
        TimePrediction plain = Predict(work);
        Assert.Equal(10, plain.Longest / Micro, 1e-6);
        Assert.Equal("T_hbm", plain.Bound);
        Assert.Equal(12.2, plain.Total / Micro, 1e-6);
        Assert.Equal(10.9, Predict(work with { EarlyLaunch = true }).Total / Micro, 1e-6);
        // Four units each, half a one at the end; two blocks of them are resident, so they do not end together.
        TimePrediction waves = Predict(work with { Blocks = 528, ResidentBlocks = 2 });
        Assert.Equal(1.25, waves.Tail / Micro, 1e-6);
        Assert.Equal(13.45, waves.Total / Micro, 1e-6);
        Assert.Equal(0, Predict(work with { Blocks = 528, ResidentBlocks = 4 }).Tail);
        Assert.Equal(1.25, Predict(work with { WorkUnits = 528 }).Tail / Micro, 1e-6);
        Assert.Equal(plain.Total, plain.Terms.Take(6).Max(term => term.Seconds) + plain.Terms.Skip(6).Sum(term => term.Seconds), 1e-12);
    }

    [Fact]
    public void ARaggedGridWaitsForItsBusiestMultiprocessor()
    {
        // 133 blocks: one multiprocessor has two of them.
        Assert.Equal(2, Predict(s_full with { Blocks = 133, Instructions = 4 * 133 * 1.755e9 }).Issue, 1e-9);
        // 66 blocks use half the device.
        Assert.Equal(1, Predict(s_full with { Blocks = 66, Instructions = 4 * 66 * 1.755e9 }).Issue, 1e-9);
    }

    [Fact]
    public void ARingOfBuffersIsFilledOnce()
    {
        KernelWork work = s_full with { Tensor = [new TensorWork(132 * 4096 * 1755, 16, WarpGroup: true)], Pipeline = new TensorPipeline(1, 8, 4) };
        // 1 / (1 - 1 / 2) = 2: as much again.
        Assert.Equal(Micro, Predict(work).PipelineFill, 1e-12);
        Assert.Throws<ArgumentException>(() => Predict(work with { Pipeline = new TensorPipeline(1, 4, 4) }));
    }

    [Fact]
    public void ImpossibleWorkIsRefused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => Predict(s_full with { Blocks = 0 }));
        Assert.Throws<ArgumentOutOfRangeException>(() => Predict(s_full with { ResidentBlocks = 0 }));
        Assert.Throws<ArgumentOutOfRangeException>(() => Predict(s_full with { WorkUnits = -1 }));
    }

    /// <summary>Published figures: a sum that only reads (3.24 TB/s), fp8 products with few rows (DeepGEMM, GB/s).</summary>
    [Theory]
    [InlineData(4e9, 0, 3240)]
    [InlineData((64 * 1536) + (24576.0 * 1536), 2.0 * 64 * 24576, 2455)]
    [InlineData((64 * 16384) + (7168.0 * 16384), 2.0 * 64 * 7168, 2668)]
    [InlineData((128 * 16384) + (7168.0 * 16384), 2.0 * 128 * 7168, 2604)]
    [InlineData((128 * 7168) + (4096.0 * 7168), 2.0 * 128 * 4096, 2221)]
    public void PublishedBandwidthsAreMetWithin15Percent(double read, double written, double gigabytes)
    {
        TimePrediction prediction = Predict(s_full with { HbmReadBytes = read, HbmWriteBytes = written });
        Assert.InRange((read + written) / prediction.Total / (gigabytes * 1e9), 0.85, 1.15);
    }

    /// <summary>fast.cu at 8192^3 in bf16: 808 TFLOP/s by 128 persistent blocks of 16 tiles, 128 steps of 64, three stages.</summary>
    [Fact]
    public void ThePublishedProductIsMetWithin15Percent()
    {
        const double Operations = 2.0 * 8192 * 8192 * 8192;
        TimePrediction prediction = Predict(new KernelWork
        {
            Blocks = 128,
            WorkUnits = 2048,
            Tensor = [new TensorWork(Operations, 16, WarpGroup: true)],
            HbmReadBytes = 2.0 * 2 * 8192 * 8192,
            HbmWriteBytes = 2.0 * 8192 * 8192,
            Pipeline = new TensorPipeline(16, 128, 3),
        });
        Assert.InRange(Operations / prediction.Total / 808e12, 0.85, 1.15);
    }

    private static TimePrediction Predict(KernelWork work) => TimeModel.Predict(work);
}
