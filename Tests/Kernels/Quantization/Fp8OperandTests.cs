using Llama4Kernels.Kernels.Ptx;
using Llama4Kernels.Kernels.Quantization;
using Llama4Kernels.PtxEmulator.Parsing;
using Llama4Kernels.Tests.PtxEmulator.Mutation;

namespace Llama4Kernels.Tests.Kernels.Quantization;

/// <summary>What brings x into the FP8 products' operand, by the layout's own functions, to the bit.</summary>
public class Fp8OperandTests
{
    [Theory]
    [InlineData(false, 1, 128)]
    [InlineData(false, 6, 1152)]
    [InlineData(false, 2, 2176)]
    [InlineData(true, 1, 128)]
    [InlineData(true, 6, 1152)]
    [InlineData(true, 2, 2176)]
    public void Rows(bool quantises, int rows, int columns) => Check(new Fp8Case(rows, 1, columns, seed: columns), quantises);

    /// <summary>Magnitudes from the least to the largest, halves of steps, more than the bound, infinities and what is no number; a row of a single number, and one of zeros.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void SpecialValues(bool quantises)
    {
        var subject = new Fp8Case(6, 1, 256, seed: 1);
        float[] special = [float.NaN, float.PositiveInfinity, float.NegativeInfinity, 0, -0f, 1200, -1201, 3e38f, float.Epsilon];
        special.CopyTo(subject.X[0], 0);
        subject.X[0][200] = float.NaN;
        for (int i = 0; i < 256; i++)
        {
            // Halfway between codes, with a largest number that makes the scale one.
            subject.X[1][i] = i == 0 ? 448 : MathF.ScaleB(16 + (i % 17), (i / 17) - 14) * (i % 2 == 0 ? 1 : -1);
            subject.X[2][i] = i == 77 ? float.NaN : 0;
            subject.X[4][i] = MathF.ScaleB(i - 100, -140);
            subject.X[5][i] = i == 3 ? 5e4f : MathF.ScaleB(1 + (i / 256f), -(i % 40));
        }
        Check(subject, quantises);
    }

    private static void Check(Fp8Case subject, bool quantises)
    {
        string name = Fp8OperandPtx.Name(quantises);
        foreach (int sm in PtxKernelModules.All.Targets(name).Select(target => target.Sm))
        {
            subject.Operand(quantises).CheckOrders(PtxModule.Parse(PtxKernelModules.All.Get(name, sm).Text), name, orders: 3, results: 2);
        }
    }
}
