namespace Llama4Kernels.Kernels.Ptx;

/// <content>float32, bfloat16 and matrix instructions.</content>
internal sealed partial class KernelWriter
{
    /// <summary>d = a</summary>
    public void Move(Reg<F32> d, SourceF32 a) => Emit("mov.f32", d, a);

    /// <summary>d = a + b</summary>
    public void Add(Reg<F32> d, Reg<F32> a, SourceF32 b) => Emit("add.rn.f32", d, a, b);

    /// <summary>d = a − b</summary>
    public void Subtract(Reg<F32> d, Reg<F32> a, Reg<F32> b) => Emit("sub.rn.f32", d, a, b);

    /// <summary>The larger one; of a number and what is none, the number.</summary>
    public void Maximum(Reg<F32> d, Reg<F32> a, Reg<F32> b) => Emit("max.f32", d, a, b);

    /// <summary>The smaller one; of a number and what is none, the number.</summary>
    public void Minimum(Reg<F32> d, Reg<F32> a, Reg<F32> b) => Emit("min.f32", d, a, b);

    /// <summary>d = |a|</summary>
    public void Magnitude(Reg<F32> d, Reg<F32> a) => Emit("abs.f32", d, a);

    /// <summary>p: a is no number.</summary>
    public void NotANumber(Reg<Predicate> p, Reg<F32> a) => Emit("setp.nan.f32", p, a, a);

    /// <summary>The bits of a number.</summary>
    public void Bits(Reg<U32> d, Reg<F32> a) => Emit("mov.b32", d, a);

    /// <summary>The number of some bits.</summary>
    public void FromBits(Reg<F32> d, Reg<U32> a) => Emit("mov.b32", d, a);

    /// <summary>p = a &gt; b; false where one is no number.</summary>
    public void Greater(Reg<Predicate> p, Reg<F32> a, Reg<F32> b) => Emit("setp.gt.f32", p, a, b);

    /// <summary>p = a &gt; b, or the other one.</summary>
    public void GreaterOr(Reg<Predicate> p, Reg<F32> a, Reg<F32> b, Reg<Predicate> other) => Emit("setp.gt.or.f32", p, a, b, other);

    /// <summary>2ᵃ to within 2 units in the last place, 0 below 2⁻¹²⁶.</summary>
    public void Exp2(Reg<F32> d, Reg<F32> a) => Emit("ex2.approx.ftz.f32", d, a);

    /// <summary>d = a / b, rounded to nearest.</summary>
    public void Divide(Reg<F32> d, Reg<F32> a, Reg<F32> b) => Emit("div.rn.f32", d, a, b);

    /// <summary>d = 1 / a, rounded to nearest.</summary>
    public void Reciprocal(Reg<F32> d, Reg<F32> a) => Emit("rcp.rn.f32", d, a);

    /// <summary>1 / a to within a unit in the last place, in one instruction; what is below 2⁻¹²⁶ counts as zero.</summary>
    public void ReciprocalNear(Reg<F32> d, Reg<F32> a) => Emit("rcp.approx.ftz.f32", d, a);

    /// <summary>d = √a, rounded to nearest.</summary>
    public void SquareRoot(Reg<F32> d, Reg<F32> a) => Emit("sqrt.rn.f32", d, a);

    /// <summary>The nearest float32.</summary>
    public void ToFloat(Reg<F32> d, Reg<U32> a) => Emit("cvt.rn.f32.u32", d, a);

    /// <summary>d = a · b</summary>
    public void Multiply(Reg<F32> d, Reg<F32> a, SourceF32 b) => Emit("mul.rn.f32", d, a, b);

    /// <summary>d = a · b + c, rounded once.</summary>
    public void MultiplyAdd(Reg<F32> d, Reg<F32> a, Reg<F32> b, Reg<F32> c) => Emit("fma.rn.f32", d, a, b, c);

    /// <summary>Two float32 to the nearest bfloat16.</summary>
    public void Round(Reg<Bf16x2> d, Reg<F32> lower, Reg<F32> upper) => Emit("cvt.rn.bf16x2.f32", d, upper, lower);

    /// <summary>Two float32 to the nearest float16.</summary>
    public void Round(Reg<F16x2> d, Reg<F32> lower, Reg<F32> upper) => Emit("cvt.rn.f16x2.f32", d, upper, lower);

    /// <summary>Two codes of E4M3 as float16, exactly; from sm_89 on.</summary>
    public void DecodeE4M3(Reg<F16x2> d, Reg<B16> codes)
    {
        _decodes = true;
        Emit("cvt.rn.f16x2.e4m3x2", d, codes);
    }

    /// <summary>The value in the lower half.</summary>
    public void WidenLower(Reg<F32> d, Reg<Bf16x2> a) => Emit("shl.b32", d, a, 16);

    /// <summary>The value in the upper half.</summary>
    public void WidenUpper(Reg<F32> d, Reg<Bf16x2> a) => Emit("and.b32", d, a, Hex(0xFFFF0000));

    /// <summary>The value of the lane whose number differs in these bits. The whole warp takes part.</summary>
    public void ShuffleXor(Reg<F32> d, Reg<F32> a, int bits) => Emit("shfl.sync.bfly.b32", d, a, bits, 31, -1);

    /// <summary>
    /// d = a·b + c for a [16, 16], b [16, 8], c and d [16, 8] in the fragments of <see cref="MatrixFragments"/>. The whole warp
    /// takes part.
    /// </summary>
    public void MatrixMultiply<T>(Vec4<F32> d, Vec4<T> a, Vec2<T> b, Vec4<F32> c)
        where T : struct, IPairType => Emit($"mma.sync.aligned.m16n8k16.row.col.f32.{T.Element}.{T.Element}.f32", d, a, b, c);

    /// <summary>
    /// Transposes an 8 × 8 of which lane 4g + t has row g, columns 2t and 2t + 1: it gets column g, rows 2t and 2t + 1. The whole
    /// warp takes part.
    /// </summary>
    public void Transpose(Reg<Bf16x2> d, Reg<Bf16x2> a)
    {
        _transposes = true;
        Emit("movmatrix.sync.aligned.m8n8.trans.b16", d, a);
    }
}
