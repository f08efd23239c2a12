using Llama4Kernels.PtxEmulator.Numerics;

namespace Llama4Kernels.Tests.PtxEmulator.Numerics;

/// <summary>mma.sync: fragment layouts from the tables of the PTX manual, sums by definition, the corpus.</summary>
public class MatrixMultiplyTests
{
    public static TheoryData<string> Forms =>
    [
        "m16n8k8.row.col.f32.bf16.bf16.f32", "m16n8k8.row.col.f32.f16.f16.f32", "m16n8k8.row.col.f16.f16.f16.f16",
        "m16n8k16.row.col.f32.bf16.bf16.f32", "m16n8k16.row.col.f32.f16.f16.f32", "m16n8k16.row.col.f16.f16.f16.f16",
        "m16n8k4.row.col.f32.tf32.tf32.f32", "m16n8k8.row.col.f32.tf32.tf32.f32",
        "m16n8k16.row.col.f32.e4m3.e4m3.f32", "m16n8k32.row.col.f32.e5m2.e4m3.f32", "m16n8k32.row.col.f16.e4m3.e5m2.f16",
        "m8n8k16.row.col.s32.s8.s8.s32", "m16n8k16.row.col.s32.s8.u8.s32", "m16n8k32.row.col.satfinite.s32.u8.s8.s32",
        "m8n8k32.row.col.s32.s4.s4.s32", "m16n8k32.row.col.s32.u4.s4.s32", "m16n8k64.row.col.s32.s4.u4.s32",
        "m8n8k128.row.col.s32.b1.b1.s32.xor.popc", "m16n8k128.row.col.s32.b1.b1.s32.and.popc", "m16n8k256.row.col.s32.b1.b1.s32.and.popc",
        "m8n8k4.row.col.f64.f64.f64.f64", "m16n8k4.row.col.f64.f64.f64.f64", "m16n8k8.row.col.f64.f64.f64.f64", "m16n8k16.row.col.f64.f64.f64.f64",
    ];

    [Theory]
    [MemberData(nameof(Forms))]
    public void FragmentsHoldTheMatricesOfTheManual(string text)
    {
        MatrixForm form = Parse(text);
        var random = new Random(text.Length);
        for (int trial = 0; trial < 6; trial++)
        {
            // Half of the trials have a single one in A, so that one column of B is seen alone.
            int[,] a = Random(random, form.M, form.K, form.A), b = Random(random, 8, form.K, form.B), c = new int[form.M, 8];
            if (trial % 2 == 0)
            {
                Array.Clear(a);
                a[random.Next(form.M), random.Next(form.K)] = 1;
            }
            for (int i = 0; i < c.Length; i++)
            {
                c[i / 8, i % 8] = random.Next(20) - (form.A == MatrixElement.B1 ? 0 : 10);
            }
            int[,] d = Execute(form, a, b, c);
            for (int row = 0; row < form.M; row++)
            {
                for (int column = 0; column < 8; column++)
                {
                    int expected = c[row, column];
                    for (int k = 0; k < form.K; k++)
                    {
                        expected += form.Xor ? a[row, k] ^ b[column, k] : a[row, k] * b[column, k];
                    }
                    Assert.True(expected == d[row, column], $"{text} trial {trial} [{row}, {column}]: {d[row, column]} for {expected}");
                }
            }
        }
    }

    [Theory]
    [InlineData("m16n8k16.row.col.f32.bf16.bf16.f32")]
    [InlineData("m16n8k16.row.col.f32.f16.f16.f32")]
    [InlineData("m16n8k16.row.col.f16.f16.f16.f16")]
    [InlineData("m16n8k8.row.col.f32.tf32.tf32.f32")]
    public void SumsAreAlignedAndCut(string text)
    {
        MatrixForm form = Parse(text);
        TensorRule rule = TensorRule.Hopper(form.A, form.B, form.HalfAccumulator);
        var random = new Random(5);
        for (int trial = 0; trial < 60; trial++)
        {
            uint[] a = Codes(16 * form.K, form.A), b = Codes(8 * form.K, form.B), c = Codes(16 * 8, form.HalfAccumulator ? MatrixElement.F16 : MatrixElement.F64);
            uint[] d = new uint[128];
            TensorProduct.Multiply(rule, 16, 8, form.K, a, b, c, d);
            for (int i = 0; i < 128; i++)
            {
                double[] x = [.. a.Skip(i / 8 * form.K).Take(form.K).Select(code => Value(code, form.A))];
                double[] y = [.. b.Skip(i % 8 * form.K).Take(form.K).Select(code => Value(code, form.B))];
                uint expected = Fused(x, y, Value(c[i], form.HalfAccumulator ? MatrixElement.F16 : MatrixElement.F64), form);
                Assert.True(expected == d[i], $"{text} trial {trial} element {i}: {d[i]:X} for {expected:X}");
            }
        }

        // All codes, or exponents close to each other so that sums cancel and cut bits matter.
        uint[] Codes(int count, MatrixElement element)
        {
            int style = random.Next(3);
            return [.. Enumerable.Range(0, count).Select(_ =>
            {
                float value = (float)((random.NextDouble() - 0.5) * Math.Pow(2, random.Next(-8, 9)));
                uint any = (uint)random.NextInt64(1L << 32);
                return element switch
                {
                    MatrixElement.F16 => style == 0 && (any & 0x7C00) != 0x7C00 ? any & 0xFFFF : HalfBits.FromF32(value, HalfFormat.F16),
                    MatrixElement.BF16 => style == 0 && (any & 0x7F80) != 0x7F80 ? any & 0xFFFF : HalfBits.FromF32(value, HalfFormat.BF16),
                    _ => style == 0 && (any & 0x7F80_0000) != 0x7F80_0000 ? any : BitConverter.SingleToUInt32Bits(value),
                };
            })];
        }
    }

    [Fact]
    public void SpecialValuesAndTheWindow()
    {
        TensorRule rule = TensorRule.Hopper(MatrixElement.F16, MatrixElement.F16, false);
        Assert.Equal(0x7FFF_FFFFu, One(rule, [0x7C00, 0], [0, 0], 0));
        Assert.Equal(0x7FFF_FFFFu, One(rule, [0x7C00, 0xFC00], [0x3C00, 0x3C00], 0));
        Assert.Equal(0xFF80_0000u, One(rule, [0x7C00, 0], [0xBC00, 0], 0x3F80_0000));
        Assert.Equal(0x7FFF_FFFFu, One(rule, [0, 0], [0, 0], 0x7FC0_0000));
        Assert.Equal(0u, One(rule, [0x8000, 0x8000], [0, 0], 0x8000_0000));

        // 2^0 and 31 x 2^-14: inside 13 bits nothing of it is seen, inside 25 all of it.
        uint[] terms = [0x3C00, .. Enumerable.Repeat(0x2000u, 31)];
        float sum = 1 + (31 * MathF.ScaleB(1, -14));
        Assert.Equal(0x3F80_0000u, One(TensorRule.HopperFloat8(MatrixElement.F16, MatrixElement.F16, false), terms, terms, 0));
        Assert.Equal(BitConverter.SingleToUInt32Bits(sum), One(rule with { FractionBits = 24 }, terms, terms, 0));

        static uint One(TensorRule rule, uint[] a, uint[] b, uint c)
        {
            uint[] d = new uint[8];
            TensorProduct.Multiply(rule, 1, 8, a.Length, a, [.. Enumerable.Repeat(b, 8).SelectMany(row => row)], [.. Enumerable.Repeat(c, 8)], d);
            Assert.All(d, value => Assert.Equal(d[0], value));
            return d[0];
        }
    }

    [Fact]
    public void VectorsAndScalarsAgree()
    {
        if (!System.Runtime.Intrinsics.X86.Avx2.IsSupported)
        {
            return;
        }
        var random = new Random(6);
        for (int trial = 0; trial < 500; trial++)
        {
            int fractionBits = trial % 2 == 0 ? 25 : 13;
            int[] x = Numbers(16, -2047, 2048), ex = Numbers(16, -20, 20), y = Numbers(128, -2047, 2048), ey = Numbers(128, -20, 20), e = Numbers(8, -60, 60);
            long[] sums = [.. Numbers(8, -(1 << 24), 1 << 24).Select(value => (long)value)], same = [.. sums];
            int[] f = [.. e];
            TensorProduct.AddProducts(fractionBits, 16, x, ex, y, ey, sums, e);
            TensorProduct.AddProductsAvx2(fractionBits, 16, x, ex, y, ey, same, f);
            Assert.Equal(sums, same);
            Assert.Equal(e, f);
        }

        int[] Numbers(int count, int low, int high) => [.. Enumerable.Range(0, count).Select(_ => random.Next(low, high))];
    }

    [Fact]
    public void IntegersSaturateOnlyOnDemand()
    {
        MatrixForm wrap = Parse("m16n8k32.row.col.s32.s8.s8.s32"), clamp = Parse("m16n8k32.row.col.satfinite.s32.s8.s8.s32");
        uint[] ones = [.. Enumerable.Repeat(0x01010101u, 128)], c = [.. Enumerable.Repeat(0x7FFF_FFFFu, 128)], d = new uint[128];
        MatrixMultiply.Execute(wrap, ones, ones.AsSpan(..64), c, d);
        Assert.All(d, value => Assert.Equal(0x8000_001Fu, value));
        MatrixMultiply.Execute(clamp, ones, ones.AsSpan(..64), c, d);
        Assert.All(d, value => Assert.Equal(0x7FFF_FFFFu, value));
        Assert.Throws<ArgumentException>(() => MatrixMultiply.Execute(wrap, [], [], [], (Span<ulong>)[]));
        Assert.Throws<ArgumentException>(() => MatrixMultiply.Execute(Parse("m8n8k4.row.col.f64.f64.f64.f64"), [], [], [], (Span<uint>)[]));
    }

    [Theory]
    [InlineData("mma.sync.aligned.m16n8k16.row.row.f32.bf16.bf16.f32")]
    [InlineData("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f16")]
    [InlineData("mma.sync.aligned.m16n8k16.row.col.f32.bf16.f16.f32")]
    [InlineData("mma.sync.aligned.m16n8k16.row.col.bf16.bf16.bf16.bf16")]
    [InlineData("mma.sync.aligned.m16n8k32.row.col.f32.bf16.bf16.f32")]
    [InlineData("mma.sync.aligned.m16n8k256.row.col.s32.b1.b1.s32")]
    [InlineData("mma.sync.aligned.m16n8k16.row.col.satfinite.f32.f16.f16.f32")]
    [InlineData("mma.sync.aligned.m16n8k16.row.col.s32.s8.s4.s32")]
    [InlineData("mma.sync.aligned.m8n8k4.row.col.f32.f16.f16.f32")]
    [InlineData("mma.sp.aligned.m16n8k32.row.col.f32.bf16.bf16.f32")]
    [InlineData("mma.sync.aligned")]
    public void OtherFormsAreRefused(string opcode) => Assert.False(MatrixMultiply.TryGet(opcode.Split('.'), out _));

    [Fact]
    public void FormsKnowTheirRegisters()
    {
        Check("m16n8k16.row.col.f32.bf16.bf16.f32", 4, 4, 2, 4096);
        Check("m16n8k16.row.col.f16.f16.f16.f16", 2, 4, 2, 4096);
        Check("m16n8k4.row.col.f32.tf32.tf32.f32", 4, 2, 1, 1024);
        Check("m16n8k64.row.col.s32.s4.s4.s32", 4, 4, 2, 16384);
        Check("m16n8k16.row.col.f64.f64.f64.f64", 4, 8, 4, 4096);
        Check("m8n8k4.row.col.f64.f64.f64.f64", 2, 1, 1, 512);

        static void Check(string text, int d, int a, int b, long flops)
        {
            MatrixForm form = Parse(text);
            Assert.Equal((d, a, b, flops), (form.DRegisters, form.ARegisters, form.BRegisters, form.Flops));
        }
    }

    [Theory]
    [InlineData("mma_bf16", "m16n8k16.row.col.f32.bf16.bf16.f32", 1e-5)]
    [InlineData("mma_f16", "m16n8k16.row.col.f32.f16.f16.f32", 1e-5)]
    [InlineData("mma_tf32", "m16n8k8.row.col.f32.tf32.tf32.f32", 1e-5)]
    [InlineData("mma_e4m3", "m16n8k32.row.col.f32.e4m3.e4m3.f32", 2e-3)]
    public void FloatCorpusIsMet(string name, string text, double tolerance)
    {
        MatrixForm form = Parse(text);
        var test = new PtxCase(name);
        byte[] a = test.Read<byte>("in.a"), b = test.Read<byte>("in.b");
        float[] c = test.Read<float>("in.c"), expected = test.Read<float>("out.d");
        int bytes = form.ElementBits / 8;
        for (int block = 0; block < expected.Length / 128; block++)
        {
            uint[,] x = new uint[16, form.K], y = new uint[8, form.K], z = new uint[16, 8];
            Fill(x, a, block, bytes);
            Fill(y, b, block, bytes);
            for (int i = 0; i < 128; i++)
            {
                z[i / 8, i % 8] = BitConverter.SingleToUInt32Bits(c[(block * 128) + i]);
            }
            uint[,] d = Fragments.Execute(form, x, y, z);
            for (int i = 0; i < 128; i++)
            {
                double want = expected[(block * 128) + i], got = BitConverter.UInt32BitsToSingle(d[i / 8, i % 8]);
                double bound = block < 2 ? 0 : (tolerance * Math.Abs(want)) + (tolerance * 10);
                Assert.True(Math.Abs(got - want) <= bound, $"{name} block {block} element {i}: {got:R} for {want:R}");
            }
        }

        static void Fill(uint[,] codes, byte[] data, int block, int bytes)
        {
            for (int i = 0; i < codes.Length; i++)
            {
                for (int part = 0; part < bytes; part++)
                {
                    codes[i / codes.GetLength(1), i % codes.GetLength(1)] |= (uint)data[(((block * codes.Length) + i) * bytes) + part] << (8 * part);
                }
            }
        }
    }

    private static MatrixForm Parse(string text)
    {
        Assert.True(MatrixMultiply.TryGet(("mma.sync.aligned." + text).Split('.'), out MatrixForm form), text);
        return form;
    }

    private static int[,] Random(Random random, int rows, int columns, MatrixElement element)
    {
        int[,] values = new int[rows, columns];
        for (int i = 0; i < values.Length; i++)
        {
            values[i / columns, i % columns] = element switch
            {
                MatrixElement.B1 => random.Next(2),
                MatrixElement.U4 or MatrixElement.U8 => random.Next(16),
                MatrixElement.S4 or MatrixElement.S8 => random.Next(-8, 8),
                _ => random.Next(-2, 3),
            };
        }
        return values;
    }

    private static int[,] Execute(in MatrixForm form, int[,] a, int[,] b, int[,] c)
    {
        if (form.Wide)
        {
            return Fragments.ExecuteF64(form, a, b, c);
        }
        MatrixElement accumulator = form.A is MatrixElement.B1 || form.IsInteger ? MatrixElement.S8 : form.HalfAccumulator ? MatrixElement.F16 : MatrixElement.F64;
        uint[,] d = Fragments.Execute(form, Encode(a, form.A), Encode(b, form.B), Encode(c, accumulator));
        int[,] result = new int[form.M, 8];
        for (int i = 0; i < result.Length; i++)
        {
            uint bits = d[i / 8, i % 8];
            result[i / 8, i % 8] = accumulator == MatrixElement.S8 ? (int)bits : (int)Value(bits, accumulator);
        }
        return result;
    }

    private static uint[,] Encode(int[,] values, MatrixElement element)
    {
        uint[,] codes = new uint[values.GetLength(0), values.GetLength(1)];
        for (int i = 0; i < values.Length; i++)
        {
            int value = values[i / values.GetLength(1), i % values.GetLength(1)];
            codes[i / values.GetLength(1), i % values.GetLength(1)] = element switch
            {
                MatrixElement.F16 => HalfBits.FromF32(value, HalfFormat.F16),
                MatrixElement.BF16 => HalfBits.FromF32(value, HalfFormat.BF16),
                MatrixElement.E4M3 => Float8Bits.FromF32(value, Float8Format.E4M3),
                MatrixElement.E5M2 => Float8Bits.FromF32(value, Float8Format.E5M2),
                MatrixElement.TF32 or MatrixElement.F64 => BitConverter.SingleToUInt32Bits(value),
                _ => (uint)value,
            };
        }
        return codes;
    }

    private static double Value(uint code, MatrixElement element) => element switch
    {
        MatrixElement.F16 => (double)BitConverter.UInt16BitsToHalf((ushort)code),
        MatrixElement.BF16 => BitConverter.UInt32BitsToSingle(code << 16),
        MatrixElement.TF32 => BitConverter.UInt32BitsToSingle(code & 0xFFFF_E000),
        _ => BitConverter.UInt32BitsToSingle(code),
    };

    // The published model in doubles: significands of exact products scaled to 25 bits below the largest exponent, cut, added.
    private static uint Fused(double[] x, double[] y, double c, in MatrixForm form)
    {
        int smallest = form.A == MatrixElement.F16 ? -14 : -126;
        int[] exponents = [.. x.Zip(y, (p, q) => Exponent(p, smallest) + Exponent(q, smallest)), Exponent(c, form.HalfAccumulator ? -14 : -126)];
        double[] terms = [.. x.Zip(y, (p, q) => p * q), c];
        int largest = exponents.Max();
        double sum = terms.Sum(term => Math.Truncate(Math.ScaleB(term, 25 - largest)));
        double value = Math.ScaleB(sum, largest - 25);
        if (form.HalfAccumulator)
        {
            return value == 0 ? 0u : (uint)ExactReference.Round(Rational.Of(value), 10, 5, Rounding.NearestEven) is var h && h == 0x8000 ? 0 : h;
        }
        if (Math.Abs(value) >= Math.Pow(2, 128))
        {
            return value > 0 ? 0x7F80_0000u : 0xFF80_0000;
        }
        uint bits = (uint)ExactReference.Round(Rational.Of(value), 23, 8, Rounding.Zero);
        return bits == 0x8000_0000 ? 0 : bits;

        static int Exponent(double value, int smallest) => value == 0 ? -126 : Math.Max(Math.ILogB(value), smallest);
    }
}
