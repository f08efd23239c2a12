using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Llama4Kernels.Kernels.Activation;

/// <summary>
/// Elementary functions on float32 vectors. A scalar goes through the same body, so the tail of a row and its middle agree
/// to the bit.
/// </summary>
internal static class VectorMath
{
    // 1.5 · 2^23: adding it rounds a float32 to the nearest integer and leaves that integer in the low bits.
    private const float RoundingMagic = 12582912f;

    /// <summary>eˣ, relative error below 2e-7; 0 and +∞ beyond the range, NaN stays NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Exp(Vector512<float> x)
    {
        // Written as selections that are false for NaN, so that NaN reaches the polynomial.
        x = Vector512.ConditionalSelect(Vector512.LessThan(x, Vector512.Create(-110f)), Vector512.Create(-110f), x);
        x = Vector512.ConditionalSelect(Vector512.GreaterThan(x, Vector512.Create(100f)), Vector512.Create(100f), x);
        Vector512<float> magic = Vector512.Create(RoundingMagic);
        Vector512<float> shifted = Vector512.FusedMultiplyAdd(x, Vector512.Create(1.44269504f), magic);
        Vector512<float> n = shifted - magic;
        Vector512<float> r = Vector512.FusedMultiplyAdd(n, Vector512.Create(-0.693359375f), x);
        r = Vector512.FusedMultiplyAdd(n, Vector512.Create(2.12194440e-4f), r);
        Vector512<float> p = Vector512.Create(1.9875691500e-4f);
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(1.3981999507e-3f));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(8.3334519073e-3f));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(4.1665795894e-2f));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(1.6666665459e-1f));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(5.0000001201e-1f));
        p = Vector512.FusedMultiplyAdd(p, r * r, r) + Vector512<float>.One;
        // 2ⁿ in two factors: n alone leaves the exponent's range near overflow and for subnormal results.
        Vector512<int> exponent = shifted.AsInt32() - magic.AsInt32();
        Vector512<int> half = exponent >> 1;
        Vector512<int> bias = Vector512.Create(127);
        Vector512<float> first = ((half + bias) << 23).AsSingle();
        Vector512<float> second = ((exponent - half + bias) << 23).AsSingle();
        return p * first * second;
    }

    /// <summary>2ˣ for x of at most 0, relative error below 2e-7; 0 below −126, NaN stays NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Exp2(Vector512<float> x)
    {
        Vector512<float> f = Fraction(x, out Vector512<float> power);
        Vector512<float> p = Vector512.FusedMultiplyAdd(Vector512.Create(1.5345812e-4f), f, Vector512.Create(1.33999312e-3f));
        p = Vector512.FusedMultiplyAdd(p, f, Vector512.Create(9.61848896e-3f));
        p = Vector512.FusedMultiplyAdd(p, f, Vector512.Create(5.55032878e-2f));
        p = Vector512.FusedMultiplyAdd(p, f, Vector512.Create(2.40226469e-1f));
        p = Vector512.FusedMultiplyAdd(p, f, Vector512.Create(6.93147206e-1f));
        return Vector512.FusedMultiplyAdd(p, f, Vector512<float>.One) * power;
    }

    /// <summary>x less the nearest integer, and 2 to the power of that; 0 where that is below −126.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Fraction(Vector512<float> x, out Vector512<float> power)
    {
        // In this order NaN stays. An exponent of −127 has the bits of zero.
        x = Vector512.ConditionalSelect(Vector512.LessThan(x, Vector512.Create(-127f)), Vector512.Create(-127f), x);
        Vector512<float> magic = Vector512.Create(RoundingMagic + 127f);
        Vector512<float> shifted = x + magic;
        power = (shifted.AsInt32() << 23).AsSingle();
        return x - (shifted - magic);
    }

    /// <summary>silu(x) = x / (1 + e⁻ˣ).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Silu(Vector512<float> x) => x / (Vector512<float>.One + Exp(-x));

    /// <summary>
    /// x · Φ(x) with the exact error function (minimax polynomials on two ranges), absolute error about 1 ulp of the larger
    /// of |x|·Φ(x) and 1e-7. −∞ gives NaN (−∞ · 0), as the definition does.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Gelu(Vector512<float> x)
    {
        Vector512<float> a = x * Vector512.Create(0.70710678f);
        Vector512<float> t = Vector512.Abs(a);
        t = Vector512.ConditionalSelect(Vector512.GreaterThan(t, Vector512.Create(10f)), Vector512.Create(10f), t);
        Vector512<float> s = t * t;

        // Far from zero: erfc(t) = e^q(t), which stays accurate where 1 + erf would cancel.
        Vector512<float> q = Vector512.FusedMultiplyAdd(Vector512.Create(-1.72853470e-5f), t, Vector512.Create(3.83197126e-4f));
        Vector512<float> u = Vector512.FusedMultiplyAdd(Vector512.Create(-3.88396438e-3f), t, Vector512.Create(2.42546219e-2f));
        q = Vector512.FusedMultiplyAdd(q, s, u);
        q = Vector512.FusedMultiplyAdd(q, t, Vector512.Create(-1.06777877e-1f));
        q = Vector512.FusedMultiplyAdd(q, t, Vector512.Create(-6.34846687e-1f));
        q = Vector512.FusedMultiplyAdd(q, t, Vector512.Create(-1.28717512e-1f));
        q = Vector512.FusedMultiplyAdd(q, t, -t);
        Vector512<float> halfTail = Vector512.Create(0.5f) * Exp(q);
        Vector512<float> far = Vector512.ConditionalSelect(Vector512.LessThan(x, Vector512<float>.Zero), halfTail, Vector512<float>.One - halfTail);

        // Near zero: erf(a) = a + a · p(a²).
        Vector512<float> p = Vector512.Create(-5.96761703e-4f);
        p = Vector512.FusedMultiplyAdd(p, s, Vector512.Create(4.99119423e-3f));
        p = Vector512.FusedMultiplyAdd(p, s, Vector512.Create(-2.67681349e-2f));
        p = Vector512.FusedMultiplyAdd(p, s, Vector512.Create(1.12819925e-1f));
        p = Vector512.FusedMultiplyAdd(p, s, Vector512.Create(-3.76125336e-1f));
        p = Vector512.FusedMultiplyAdd(p, s, Vector512.Create(1.28379166e-1f));
        Vector512<float> erf = Vector512.FusedMultiplyAdd(p, a, a);
        Vector512<float> near = Vector512.FusedMultiplyAdd(Vector512.Create(0.5f), erf, Vector512.Create(0.5f));

        Vector512<float> phi = Vector512.ConditionalSelect(Vector512.GreaterThan(t, Vector512.Create(0.927734375f)), far, near);
        return x * phi;
    }

    /// <summary>Scalar form of <see cref="Exp(Vector512{float})"/>.</summary>
    public static float Exp(float x) => Exp(Vector512.Create(x)).ToScalar();
}
