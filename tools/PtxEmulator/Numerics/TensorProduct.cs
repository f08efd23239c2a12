using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Llama4Kernels.PtxEmulator.Numerics;

/// <summary>Matrix products of floating-point codes by a <see cref="TensorRule"/>.</summary>
internal static class TensorProduct
{
    // Zeros take the exponent that subnormal f32 numbers have, whatever their type.
    private const int ZeroExponent = -126;

    // Significands of all factors are held with 10 fraction bits, so products have 20.
    private const int ProductBits = 20;
    private const int AccumulatorBits = 23;
    private const int Columns = 8;

    /// <summary>
    /// d = a b + c. a is [m][k], b is [n][k], c and d are [m][n]: one code per element. n is a multiple of 8, k at most 32 (16 for
    /// rules with 25 fraction bits). c and d may be the same.
    /// </summary>
    [SkipLocalsInit]
    public static void Multiply(
        in TensorRule rule, int m, int n, int k, ReadOnlySpan<uint> a, ReadOnlySpan<uint> b, ReadOnlySpan<uint> c, Span<uint> d)
    {
        Span<int> significandA = stackalloc int[m * k];
        Span<int> exponentA = stackalloc int[m * k];
        Span<int> rowsB = stackalloc int[k * Columns * 2];
        Span<int> significandB = stackalloc int[k * Columns];
        Span<int> exponentB = stackalloc int[k * Columns];
        Span<long> sums = stackalloc long[Columns];
        Span<int> exponents = stackalloc int[Columns];
        var specialA = Decode(a[..(m * k)], rule.A, significandA, exponentA);
        for (var column = 0; column < n; column += Columns)
        {
            var special = specialA | Decode(b.Slice(column * k, k * Columns), rule.B, rowsB, rowsB[(k * Columns)..]);
            for (var p = 0; p < k; p++)
            {
                for (var i = 0; i < Columns; i++)
                {
                    significandB[p * Columns + i] = rowsB[i * k + p];
                    exponentB[p * Columns + i] = rowsB[(Columns + i) * k + p];
                }
            }

            for (var row = 0; row < m; row++)
            {
                var at = row * n + column;
                var rowSpecial = special;
                for (var i = 0; i < Columns; i++)
                {
                    rowSpecial |= DecodeAccumulator(c[at + i], rule.HalfAccumulator, out sums[i], out exponents[i]);
                }

                var significands = significandA.Slice(row * k, k);
                var rowExponents = exponentA.Slice(row * k, k);
                if (Avx2.IsSupported)
                {
                    AddProductsAvx2(rule.FractionBits, k, significands, rowExponents, significandB, exponentB, sums, exponents);
                }
                else
                {
                    AddProducts(rule.FractionBits, k, significands, rowExponents, significandB, exponentB, sums, exponents);
                }

                for (var i = 0; i < Columns; i++)
                {
                    d[at + i] = rowSpecial && Special(rule, a.Slice(row * k, k), b.Slice((column + i) * k, k), c[at + i]) is { } bits
                        ? bits
                        : Finish(rule, sums[i], exponents[i]);
                }
            }
        }
    }

    /// <summary>
    /// Adds k products to the sums of one row: on entry significands of C with 23 fraction bits and their exponents; on return
    /// sums in units of 2^(exponent - fractionBits).
    /// </summary>
    internal static void AddProducts(
        int fractionBits,
        int k,
        ReadOnlySpan<int> significandA,
        ReadOnlySpan<int> exponentA,
        ReadOnlySpan<int> significandB,
        ReadOnlySpan<int> exponentB,
        Span<long> sums,
        Span<int> exponents)
    {
        for (var column = 0; column < Columns; column++)
        {
            var largest = exponents[column];
            for (var p = 0; p < k; p++)
            {
                largest = Math.Max(largest, exponentA[p] + exponentB[p * Columns + column]);
            }

            var sum = Align(sums[column], AccumulatorBits, largest - exponents[column], fractionBits);
            for (var p = 0; p < k; p++)
            {
                var product = (long)significandA[p] * significandB[p * Columns + column];
                sum += Align(product, ProductBits, largest - exponentA[p] - exponentB[p * Columns + column], fractionBits);
            }

            sums[column] = sum;
            exponents[column] = largest;
        }
    }

    /// <summary>The same as <see cref="AddProducts"/>, eight columns at once.</summary>
    internal static void AddProductsAvx2(
        int fractionBits,
        int k,
        ReadOnlySpan<int> significandA,
        ReadOnlySpan<int> exponentA,
        ReadOnlySpan<int> significandB,
        ReadOnlySpan<int> exponentB,
        Span<long> sums,
        Span<int> exponents)
    {
        var largest = Vector256.Create<int>(exponents);
        for (var p = 0; p < k; p++)
        {
            largest = Vector256.Max(largest, Vector256.Create(exponentA[p]) + Vector256.Create<int>(exponentB[(p * Columns)..]));
        }

        // A product is below 4, so eight of them with 25 fraction bits stay below 2^30, sixteen would not stay below 2^31:
        // even and odd k are summed apart.
        var even = Vector256<int>.Zero;
        var odd = Vector256<int>.Zero;
        var up = Math.Max(fractionBits - ProductBits, 0);
        var down = Vector256.Create(Math.Max(ProductBits - fractionBits, 0));
        for (var p = 0; p < k; p++)
        {
            var product = Vector256.Create(significandA[p]) * Vector256.Create<int>(significandB[(p * Columns)..]);
            var distance = largest - Vector256.Create(exponentA[p]) - Vector256.Create<int>(exponentB[(p * Columns)..]) + down;
            var magnitude = Avx2.ShiftRightLogicalVariable((Vector256.Abs(product) << up).AsUInt32(), distance.AsUInt32()).AsInt32();
            var sign = product >> 31;
            var term = (magnitude ^ sign) - sign;
            if ((p & 1) == 0)
            {
                even += term;
            }
            else
            {
                odd += term;
            }
        }

        for (var column = 0; column < Columns; column++)
        {
            sums[column] = Align(sums[column], AccumulatorBits, largest[column] - exponents[column], fractionBits)
                + even[column] + odd[column];
            exponents[column] = largest[column];
        }
    }

    /// <summary>Significand with the given fraction bits, lowered by a distance, in units of 2^-fractionBits; cut towards zero.</summary>
    private static long Align(long significand, int bits, int distance, int fractionBits)
    {
        var down = Math.Min(30 + bits - fractionBits + distance, 63);
        return significand < 0 ? -((-significand << 30) >> down) : (significand << 30) >> down;
    }

    /// <summary>
    /// Splits factors into signed significands with 10 fraction bits and exponents. True if one of them is infinite or NaN.
    /// </summary>
    private static bool Decode(ReadOnlySpan<uint> codes, MatrixElement element, Span<int> significands, Span<int> exponents)
    {
        var (fractionBits, exponentBits) = Layout(element);
        var unused = element == MatrixElement.TF32 ? 13 : 0;
        var bias = (1 << (exponentBits - 1)) - 1;
        var top = Vector256.Create((1 << exponentBits) - 1);
        var hidden = Vector256.Create(1 << fractionBits);
        var special = Vector256<int>.Zero;
        Span<uint> tail = stackalloc uint[Vector256<int>.Count];
        for (var i = 0; i < codes.Length; i += Vector256<int>.Count)
        {
            var whole = codes.Length - i >= Vector256<int>.Count;
            if (!whole)
            {
                tail.Clear();
                codes[i..].CopyTo(tail);
            }

            var code = (whole ? Vector256.Create(codes[i..]) : Vector256.Create<uint>(tail)).AsInt32() >> unused;
            var fraction = code & (hidden - Vector256<int>.One);
            var field = (code >> fractionBits) & top;
            var magnitude = (fraction | Vector256.AndNot(hidden, Vector256.Equals(field, Vector256<int>.Zero))) << (10 - fractionBits);
            var exponent = Vector256.ConditionalSelect(
                Vector256.Equals(magnitude, Vector256<int>.Zero),
                Vector256.Create(ZeroExponent),
                Vector256.Max(field, Vector256<int>.One) - Vector256.Create(bias));
            var sign = (code << (31 - fractionBits - exponentBits)) >> 31;
            var significand = (magnitude ^ sign) - sign;
            var found = Vector256.Equals(field, top);
            special |= element == MatrixElement.E4M3 ? found & Vector256.Equals(fraction, Vector256.Create(7)) : found;
            if (whole)
            {
                significand.CopyTo(significands[i..]);
                exponent.CopyTo(exponents[i..]);
                continue;
            }

            for (var j = i; j < codes.Length; j++)
            {
                significands[j] = significand[j - i];
                exponents[j] = exponent[j - i];
            }
        }

        return special != Vector256<int>.Zero;
    }

    private static bool DecodeAccumulator(uint code, bool half, out long significand, out int exponent)
    {
        if (half)
        {
            var magnitude = (long)(code & 0x3FF) | ((code & 0x7C00) == 0 ? 0 : 1L << 10);
            exponent = magnitude == 0 ? ZeroExponent : Math.Max((int)(code >> 10) & 0x1F, 1) - 15;
            significand = ((code & 0x8000) == 0 ? magnitude : -magnitude) << (AccumulatorBits - 10);
            return (code & 0x7C00) == 0x7C00;
        }

        var field = (int)(code >> 23) & 0xFF;
        long wide = code & 0x7F_FFFF | (field == 0 ? 0u : 1u << 23);
        exponent = Math.Max(field, 1) - 127;
        significand = (int)code < 0 ? -wide : wide;
        return field == 0xFF;
    }

    private static (int FractionBits, int ExponentBits) Layout(MatrixElement element) => element switch
    {
        MatrixElement.F16 => (10, 5),
        MatrixElement.BF16 => (7, 8),
        MatrixElement.TF32 => (10, 8),
        MatrixElement.E4M3 => (3, 4),
        MatrixElement.E5M2 => (2, 5),
        _ => throw new ArgumentOutOfRangeException(nameof(element)),
    };

    /// <summary>The result if it is infinite or NaN because a factor or C is.</summary>
    private static uint? Special(in TensorRule rule, ReadOnlySpan<uint> a, ReadOnlySpan<uint> b, uint c)
    {
        double sum = rule.HalfAccumulator ? HalfBits.ToF32((ushort)c, HalfFormat.F16) : BitConverter.UInt32BitsToSingle(c);
        for (var p = 0; p < a.Length; p++)
        {
            sum += Value(a[p], rule.A) * Value(b[p], rule.B);
        }

        return double.IsFinite(sum) ? null
            : rule.HalfAccumulator ? FloatBits.FromF64(sum, FloatFormat.F16, Rounding.NearestEven)
            : FloatBits.FromF64(sum, FloatFormat.F32, Rounding.NearestEven);
    }

    private static double Value(uint code, MatrixElement element)
    {
        var (fractionBits, exponentBits) = Layout(element);
        return element == MatrixElement.E4M3
            ? FloatBits.ToF64(code, FloatFormat.E4M3)
            : FloatBits.ToF64(element == MatrixElement.TF32 ? code >> 13 : code, new FloatFormat(fractionBits, exponentBits));
    }

    /// <summary>The result's bits for sum * 2^(exponent - FractionBits). A sum of zero is +0, and so is one cut to zero.</summary>
    private static uint Finish(in TensorRule rule, long sum, int exponent)
    {
        if (sum == 0)
        {
            return 0;
        }

        var unit = exponent - rule.FractionBits;
        if (rule.HalfAccumulator)
        {
            var rounded = FloatBits.FromF64(Math.ScaleB(sum, unit), FloatFormat.F16, Rounding.NearestEven);
            return rounded == 0x8000 ? 0 : rounded;
        }

        var magnitude = (ulong)Math.Abs(sum);
        var scale = Math.Max(63 - BitOperations.LeadingZeroCount(magnitude) + unit, -126);
        var dropped = scale - rule.ResultBits - unit;
        magnitude = dropped > 0 ? magnitude >> Math.Min(dropped, 63) : magnitude << -dropped;
        var bits = ((uint)magnitude << (23 - rule.ResultBits)) + ((uint)(scale + 126) << 23);
        return magnitude == 0 ? 0 : (sum < 0 ? 0x8000_0000 : 0) | Math.Min(bits, 0x7F80_0000);
    }
}
