using System.Runtime.InteropServices;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.Kernels.Ptx;
using Llama4Kernels.Kernels.Quantization;
using Llama4Kernels.PtxEmulator.Counting;
using Llama4Kernels.PtxEmulator.Execution;
using Llama4Kernels.PtxEmulator.Parsing;
using Llama4Kernels.Tests.PtxEmulator.Mutation;

namespace Llama4Kernels.Tests.Kernels.Quantization;

/// <summary>The int4 products on tensor cores against float64, with copies that land early and late and warps in any order.</summary>
public class Int4MatVecTests
{
    private const double H100MicrosecondsOneRow = 9.5, H100MicrosecondsSixteenRows = 15;

    /// <summary>Outputs around a unit of 32 rows; groups fewer than warps, fewer than the ring holds, and several rings; rows of one slice and more.</summary>
    [Theory]
    [InlineData(1, 1, 128)]
    [InlineData(1, 33, 640)]
    [InlineData(1, 64, 3072)]
    [InlineData(2, 31, 256)]
    [InlineData(7, 48, 1152)]
    [InlineData(8, 16, 2432)]
    [InlineData(9, 17, 384)]
    [InlineData(16, 40, 1664)]
    [InlineData(37, 33, 128)]
    public void Products(int rows, int outputs, int columns)
    {
        int atOnce = Int4MatVecPtx.RowsAtOnce(rows);
        // A grid for more rows than there are, as that of a graph may be; a bias beside every other shape.
        var subject = new Int4Case(rows, outputs, columns, seed: rows + outputs, withBias: rows % 2 == 0 || outputs > 60);
        foreach (int sm in PtxKernelModules.All.Targets(Int4MatVecPtx.Name(atOnce, experts: false)).Select(target => target.Sm))
        {
            Check(Int4MatVecPtx.Name(atOnce, experts: false), sm, subject.Product(atOnce, spare: rows % 3));
            Check(Int4OperandPtx.Name, sm, subject.Rounding());
        }
    }

    /// <summary>Experts without rows, with one, with as many as a slice and more; slices that begin in the middle of an expert.</summary>
    [Theory]
    [InlineData(1, new[] { 0, 0, 0, 1 }, 33)]
    [InlineData(1, new[] { 0, 2, 3 }, 16)]
    [InlineData(8, new[] { 0, 0, 3, 3, 4, 8 }, 33)]
    [InlineData(8, new[] { 0, 11, 12, 12, 13 }, 31)]
    [InlineData(16, new[] { 0, 16 }, 17)]
    [InlineData(16, new[] { 0, 19, 20, 40 }, 65)]
    public void Experts(int atOnce, int[] starts, int outputs)
    {
        var subject = new Int4Case(starts[^1], outputs, 640, seed: atOnce + outputs, starts);
        string name = Int4MatVecPtx.Name(atOnce, experts: true);
        foreach (int sm in PtxKernelModules.All.Targets(name).Select(target => target.Sm))
        {
            Check(name, sm, subject.Product(atOnce));
        }
    }

    /// <summary>Turns of warps and blocks in twenty orders, copies that land as late or as early as they may: no finding, and the same bits.</summary>
    [Theory]
    [InlineData(1, false)]
    [InlineData(8, false)]
    [InlineData(16, false)]
    [InlineData(1, true)]
    [InlineData(8, true)]
    [InlineData(16, true)]
    public void TwentyOrdersOfTurnsGiveTheSameBits(int atOnce, bool experts)
    {
        var subject = new Int4Case(atOnce, 33, 640, seed: 5, experts ? [0, (atOnce + 1) / 2, atOnce] : null);
        string name = Int4MatVecPtx.Name(atOnce, experts);
        MutationLaunch launch = subject.Product(atOnce);
        PtxModule module = Parsed(name, 90);
        launch.CheckOrders(module, name, orders: 20, results: 1);
    }

    /// <summary>What is no number in x makes its row's results no numbers, and no other's: 24 + code meets it in every column.</summary>
    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    [InlineData(float.NegativeInfinity)]
    public void WhatIsNoNumberStaysInItsRow(float value)
    {
        var subject = new Int4Case(3, 20, 256, seed: 1);
        subject.X[1][130] = value;
        MutationLaunch rounding = subject.Rounding();
        rounding.Run(Parsed(Int4OperandPtx.Name, 80), Int4OperandPtx.Name, MutationLaunch.InTurn, out byte[][] rounded);
        MutationLaunch product = subject.Product(8);
        product = product with { Buffers = [.. product.Buffers.Select((buffer, i) => i == 2 ? buffer with { Initial = rounded[1], Expected = rounded[1] } : buffer)] };
        string name = Int4MatVecPtx.Name(8, experts: false);
        product.Run(Parsed(name, 80), name, MutationLaunch.InTurn, out byte[][] results);
        float[] y = MemoryMarshal.Cast<byte, float>(results[^1]).ToArray();
        for (int row = 0; row < 3; row++)
        {
            for (int output = 0; output < 20; output++)
            {
                float got = y[(row * 20) + output];
                if (row == 1)
                {
                    Assert.True(float.IsNaN(got), $"row 1, output {output}: {got}");
                }
                else
                {
                    (double expected, double magnitude) = subject.Expected(row, output);
                    Assert.InRange(got, expected - 1e-5 * magnitude, expected + 1e-5 * magnitude);
                }
            }
        }
    }

    /// <summary>The error norm over the result's norm, for activations with a mean: what is added for 24 is taken away again.</summary>
    [Fact]
    public void TheOffsetCostsNoDigits()
    {
        var subject = new Int4Case(1, 64, 5120, seed: 8);
        MutationLaunch launch = subject.Product(1);
        string name = Int4MatVecPtx.Name(1, experts: false);
        launch.Run(Parsed(name, 80), name, MutationLaunch.InTurn, out byte[][] results);
        float[] y = MemoryMarshal.Cast<byte, float>(results[^1]).ToArray();
        double error = 0, norm = 0;
        for (int output = 0; output < y.Length; output++)
        {
            double expected = subject.Expected(0, output).Value;
            error += (y[output] - expected) * (y[output] - expected);
            norm += expected * expected;
        }
        Assert.InRange(Math.Sqrt(error / norm), 0, 1e-5);
    }

    /// <summary>
    /// What the kernel costs, from two of the 256 blocks of 8192 × 5120, which are all alike. One row: instructions per 256
    /// weights, which are 136 bytes with their scale.
    /// </summary>
    [Theory]
    [InlineData(1, 10.85, 1.0, H100MicrosecondsOneRow)]
    [InlineData(8, 11.85, 0.97, 11.0)]
    [InlineData(16, 14.35, 0.96, H100MicrosecondsSixteenRows)]
    public void Counters(int rows, double instructions, double efficiency, double microseconds)
    {
        const int Outputs = 64, Columns = 5120, Blocks = 256, Processors = 132;
        MutationLaunch launch = new Int4Case(rows, Outputs, Columns, seed: 7).Product(rows);
        string name = Int4MatVecPtx.Name(rows, experts: false);
        PtxModule module = Parsed(name, 80);
        var profile = new LaunchProfile(launch.Run(module, name, new LaunchOptions { Workers = 1, CountMemory = true }, out _));
        Assert.InRange(profile.Instructions / (Outputs * Columns / 256.0), 0, instructions);
        Assert.True(profile.SectorEfficiency >= efficiency, $"sector efficiency {profile.SectorEfficiency}");
        Assert.Equal(0, profile.BankConflicts);

        // Two blocks on the busiest multiprocessors: groups in a ring that are not yet waited for, codes only.
        int resident = Hopper.ResidentBlocks(Int4MatVecPtx.Threads, Registers(module, name), Int4MatVecPtx.SharedBytes(rows));
        Assert.True(resident >= Int4MatVecPtx.BlocksPerProcessor(rows), $"{resident} blocks fit.");
        int blocks = Math.Min(resident, (Blocks + Processors - 1) / Processors);
        int inFlight = blocks * Int4MatVecPtx.Threads / 32 * (Int4MatVecPtx.Depth(rows) - 1) * 4 * Int4Tiles.TileBytes;
        Assert.True(rows > 1 || inFlight >= 64 * 1024, $"{inFlight} bytes in flight.");

        double scale = Blocks / 2.0;
        double weights = Blocks * (Int4Tiles.UnitCodeBytes(Columns) + Int4Tiles.UnitScaleBytes(Columns));
        KernelWork part = profile.Work(new KernelWork { Blocks = Blocks, ResidentBlocks = resident, BytesInFlight = inFlight }, bufferBytes: 0);
        TimePrediction prediction = TimeModel.Predict(part with
        {
            HbmReadBytes = weights + rows * Int4Operand.RowBytes(Columns),
            HbmWriteBytes = rows * Blocks * Int4Tiles.UnitRows * sizeof(float),
            L2Bytes = part.L2Bytes * scale,
            Wavefronts = part.Wavefronts * scale,
            Instructions = part.Instructions * scale,
            IntegerInstructions = part.IntegerInstructions * scale,
            FmaInstructions = part.FmaInstructions * scale,
            MemoryInstructions = part.MemoryInstructions * scale,
            Tensor = [.. part.Tensor.Select(tensor => tensor with { Operations = tensor.Operations * scale })],
        });
        Assert.InRange(prediction.Total * 1e6, 0, microseconds);
    }

    [Fact]
    public void DevicesSayWhatTheyLack()
    {
        var gemm = new GemmDesc(1, 5120, 8192, WeightFormat.Int4, ActivationPrecision.BFloat16);
        var small = new DeviceLimits("small", 87, 64 * 1024, 8);
        Assert.All(DeviceLimits.Known, device => Assert.All(Int4MatVecCuda.Products.Where(record => !record.IsGrouped), record => Assert.Null(record.WhyNot(gemm, device))));
        Assert.All(Int4MatVecCuda.Products, record => Assert.Contains("sm_80", record.WhyNot(gemm with { Experts = record.IsGrouped ? 4 : 0 }, small with { Sm = 75 }), StringComparison.Ordinal));
        Assert.Contains(Int4MatVecCuda.Products, record => record.WhyNot(gemm, small)?.Contains("78336 bytes of shared memory", StringComparison.Ordinal) == true);
    }

    private static void Check(string name, int sm, MutationLaunch launch)
    {
        PtxModule module = Parsed(name, sm);
        launch.CheckOrders(module, name, orders: 3, results: 1);
    }

    private static PtxModule Parsed(string name, int sm) => PtxModule.Parse(PtxKernelModules.All.Get(name, sm).Text);

    private static int Registers(PtxModule module, string name)
    {
        using var memory = new GlobalMemory();
        using PtxProgram program = PtxProgram.Load(module, memory);
        return program.Kernel(name)!.Registers;
    }
}
