using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Llama4Kernels.PtxEmulator.Numerics;

/// <summary>
/// mma.sync of one warp. Register arrays are indexed [register * 32 + lane]. In terms of whole registers ("words" along k),
/// every shape has one fragment map: with g = lane / 4 and t = lane % 4, register r of A is word (r / rows) * 4 + t of row
/// g + 8 (r % rows), where rows is M / 8, and register r of B is word 4 r + t of column g.
/// </summary>
internal static partial class MatrixMultiply
{
    private const int MaxWords = 8;

    /// <summary>D = A B + C for all forms but those of f64. C and D may be the same registers.</summary>
    [SkipLocalsInit]
    public static void Execute(in MatrixForm form, ReadOnlySpan<uint> a, ReadOnlySpan<uint> b, ReadOnlySpan<uint> c, Span<uint> d)
    {
        if (form.Wide)
        {
            throw new ArgumentException("f64 forms have 64-bit registers", nameof(form));
        }

        var words = form.K / form.PerRegister;
        Span<uint> left = stackalloc uint[16 * MaxWords];
        Span<uint> right = stackalloc uint[8 * MaxWords];
        Span<uint> sums = stackalloc uint[16 * 8];
        GatherFactor(a, left, form.M / 8, form.ARegisters, words);
        GatherFactor(b, right, 1, form.BRegisters, words);
        GatherAccumulator(form, c, sums);
        if (form.A == MatrixElement.B1)
        {
            MultiplyBits(form, left, right, sums, words);
        }
        else if (form.IsInteger)
        {
            MultiplyIntegers(form, left, right, sums);
        }
        else
        {
            MultiplyFloats(form, left, right, sums);
        }

        ScatterAccumulator(form, sums, d);
    }

    /// <summary>D = A B + C for the forms of f64: a chain of fused multiply-adds, k ascending.</summary>
    public static void Execute(in MatrixForm form, ReadOnlySpan<ulong> a, ReadOnlySpan<ulong> b, ReadOnlySpan<ulong> c, Span<ulong> d)
    {
        if (!form.Wide)
        {
            throw new ArgumentException("only f64 forms have 64-bit registers", nameof(form));
        }

        Span<ulong> left = stackalloc ulong[16 * 16];
        Span<ulong> right = stackalloc ulong[8 * 16];
        GatherFactor(a, left, form.M / 8, form.ARegisters, form.K);
        GatherFactor(b, right, 1, form.BRegisters, form.K);
        Span<ulong> result = stackalloc ulong[16 * 8];
        for (var register = 0; register < form.DRegisters; register++)
        {
            for (var lane = 0; lane < 32; lane++)
            {
                var row = (lane >> 2) + 8 * (register >> 1);
                var column = 2 * (lane & 3) + (register & 1);
                var sum = BitConverter.UInt64BitsToDouble(c[register * 32 + lane]);
                for (var k = 0; k < form.K; k++)
                {
                    sum = Math.FusedMultiplyAdd(
                        BitConverter.UInt64BitsToDouble(left[row * form.K + k]), BitConverter.UInt64BitsToDouble(right[column * form.K + k]), sum);
                }

                result[register * 32 + lane] = BitConverter.DoubleToUInt64Bits(RoundedF64.Canonical(sum));
            }
        }

        result[..(form.DRegisters * 32)].CopyTo(d);
    }

    private static void GatherFactor<T>(ReadOnlySpan<T> registers, Span<T> matrix, int rowBlocks, int count, int words)
    {
        for (var register = 0; register < count; register++)
        {
            var rowBase = 8 * (register % rowBlocks);
            var wordBase = 4 * (register / rowBlocks);
            for (var lane = 0; lane < 32; lane++)
            {
                matrix[(rowBase + (lane >> 2)) * words + wordBase + (lane & 3)] = registers[register * 32 + lane];
            }
        }
    }

    private static void GatherAccumulator(in MatrixForm form, ReadOnlySpan<uint> c, Span<uint> sums)
    {
        for (var register = 0; register < form.DRegisters; register++)
        {
            for (var lane = 0; lane < 32; lane++)
            {
                var value = c[register * 32 + lane];
                if (form.HalfAccumulator)
                {
                    var at = ((lane >> 2) + 8 * register) * 8 + 2 * (lane & 3);
                    sums[at] = value & 0xFFFF;
                    sums[at + 1] = value >> 16;
                }
                else
                {
                    sums[((lane >> 2) + 8 * (register >> 1)) * 8 + 2 * (lane & 3) + (register & 1)] = value;
                }
            }
        }
    }

    private static void ScatterAccumulator(in MatrixForm form, ReadOnlySpan<uint> sums, Span<uint> d)
    {
        for (var register = 0; register < form.DRegisters; register++)
        {
            for (var lane = 0; lane < 32; lane++)
            {
                if (form.HalfAccumulator)
                {
                    var at = ((lane >> 2) + 8 * register) * 8 + 2 * (lane & 3);
                    d[register * 32 + lane] = sums[at] | sums[at + 1] << 16;
                }
                else
                {
                    d[register * 32 + lane] = sums[((lane >> 2) + 8 * (register >> 1)) * 8 + 2 * (lane & 3) + (register & 1)];
                }
            }
        }
    }

    private static void MultiplyBits(in MatrixForm form, ReadOnlySpan<uint> left, ReadOnlySpan<uint> right, Span<uint> sums, int words)
    {
        for (var row = 0; row < form.M; row++)
        {
            for (var column = 0; column < 8; column++)
            {
                uint count = 0;
                for (var word = 0; word < words; word++)
                {
                    uint x = left[row * words + word], y = right[column * words + word];
                    count += (uint)BitOperations.PopCount(form.Xor ? x ^ y : x & y);
                }

                sums[row * 8 + column] += count;
            }
        }
    }

    [SkipLocalsInit]
    private static void MultiplyIntegers(in MatrixForm form, ReadOnlySpan<uint> left, ReadOnlySpan<uint> right, Span<uint> sums)
    {
        Span<int> x = stackalloc int[16 * 64];
        Span<int> y = stackalloc int[8 * 64];
        Extend(left, form.A, x[..(form.M * form.K)]);
        Extend(right, form.B, y[..(8 * form.K)]);
        for (var row = 0; row < form.M; row++)
        {
            for (var column = 0; column < 8; column++)
            {
                // 32 products of bytes are far from the limits of 32 bits; only C can take the sum there.
                var products = Vector256<int>.Zero;
                for (var k = 0; k < form.K; k += Vector256<int>.Count)
                {
                    products += Vector256.Create<int>(x[(row * form.K + k)..]) * Vector256.Create<int>(y[(column * form.K + k)..]);
                }

                var sum = (long)(int)sums[row * 8 + column] + Vector256.Sum(products);

                sums[row * 8 + column] = (uint)(form.Saturate ? Math.Clamp(sum, int.MinValue, int.MaxValue) : sum);
            }
        }
    }

    private static void Extend(ReadOnlySpan<uint> words, MatrixElement element, Span<int> values)
    {
        var bits = element is MatrixElement.S4 or MatrixElement.U4 ? 4 : 8;
        var signed = element is MatrixElement.S4 or MatrixElement.S8;
        var perWord = 32 / bits;
        for (var word = 0; word < values.Length / perWord; word++)
        {
            for (var j = 0; j < perWord; j++)
            {
                var top = words[word] << (32 - bits - j * bits);
                values[word * perWord + j] = signed ? (int)top >> (32 - bits) : (int)(top >> (32 - bits));
            }
        }
    }

    [SkipLocalsInit]
    private static void MultiplyFloats(in MatrixForm form, ReadOnlySpan<uint> left, ReadOnlySpan<uint> right, Span<uint> sums)
    {
        Span<uint> x = stackalloc uint[16 * 32];
        Span<uint> y = stackalloc uint[8 * 32];
        if (form.ElementBits != 8)
        {
            Unpack(left, form.ElementBits, x[..(16 * form.K)]);
            Unpack(right, form.ElementBits, y[..(8 * form.K)]);
            TensorProduct.Multiply(TensorRule.Hopper(form.A, form.B, form.HalfAccumulator), 16, 8, form.K, x, y, sums, sums);
            return;
        }

        // sm_90 has no 8-bit mma.sync: the compiler converts to f16 and chains two products that start from zero, bytes 0 and 1
        // of each register first, then bytes 2 and 3; C is added at the end by an ordinary addition of the accumulator's type.
        var half = form.K / 2;
        var rule = TensorRule.Hopper(MatrixElement.F16, MatrixElement.F16, form.HalfAccumulator);
        Span<uint> product = stackalloc uint[16 * 8];
        product.Clear();
        for (var part = 0; part < 2; part++)
        {
            UnpackFloat8(left, form.A, part, x[..(16 * half)]);
            UnpackFloat8(right, form.B, part, y[..(8 * half)]);
            TensorProduct.Multiply(rule, 16, 8, half, x, y, product, product);
        }

        for (var i = 0; i < product.Length; i++)
        {
            sums[i] = form.HalfAccumulator
                ? HalfBits.Add((ushort)sums[i], (ushort)product[i], HalfFormat.F16)
                : BitConverter.SingleToUInt32Bits(RoundedF32.Add(
                    BitConverter.UInt32BitsToSingle(sums[i]), BitConverter.UInt32BitsToSingle(product[i]), Rounding.NearestEven));
        }
    }

    private static void Unpack(ReadOnlySpan<uint> words, int bits, Span<uint> codes)
    {
        if (bits == 32)
        {
            words[..codes.Length].CopyTo(codes);
            return;
        }

        for (var i = 0; i < codes.Length; i += 2)
        {
            codes[i] = words[i >> 1] & 0xFFFF;
            codes[i + 1] = words[i >> 1] >> 16;
        }
    }

    private static void UnpackFloat8(ReadOnlySpan<uint> words, MatrixElement element, int part, Span<uint> codes)
    {
        var format = element == MatrixElement.E4M3 ? Float8Format.E4M3 : Float8Format.E5M2;
        for (var i = 0; i < codes.Length; i++)
        {
            codes[i] = Float8Bits.ToF16((byte)(words[i >> 1] >> (16 * part + 8 * (i & 1))), format);
        }
    }
}
