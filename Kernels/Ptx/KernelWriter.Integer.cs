using System.Globalization;

namespace Llama4Kernels.Kernels.Ptx;

/// <content>Whole numbers, addresses, predicates and flow. The destination comes first, as in PTX.</content>
internal sealed partial class KernelWriter
{
    /// <summary>d = a</summary>
    public void Move(Reg<U32> d, Source32 a) => Emit("mov.b32", d, a);

    /// <summary>d = a + b</summary>
    public void Add(Reg<U32> d, Reg<U32> a, Source32 b) => Emit("add.u32", d, a, b);

    /// <summary>d = a + b</summary>
    public void Add(Reg<U64> d, Reg<U64> a, Source64 b) => Emit("add.u64", d, a, b);

    /// <summary>d = a − b</summary>
    public void Subtract(Reg<U32> d, Reg<U32> a, Source32 b) => Emit("sub.u32", d, a, b);

    /// <summary>d = a · b</summary>
    public void Multiply(Reg<U32> d, Reg<U32> a, Source32 b) => Emit("mul.lo.u32", d, a, b);

    /// <summary>d = a / b, rounded down.</summary>
    public void Divide(Reg<U32> d, Reg<U32> a, Reg<U32> b) => Emit("div.u32", d, a, b);

    /// <summary>d = a in 64 bits</summary>
    public void Widen(Reg<U64> d, Reg<U32> a) => Emit("cvt.u64.u32", d, a);

    /// <summary>d = a · b + c</summary>
    public void MultiplyAdd(Reg<U32> d, Reg<U32> a, Source32 b, Source32 c) => Emit("mad.lo.u32", d, a, b, c);

    /// <summary>The larger one.</summary>
    public void Maximum(Reg<U32> d, Reg<U32> a, Source32 b) => Emit("max.u32", d, a, b);

    /// <summary>The smaller one.</summary>
    public void Minimum(Reg<U32> d, Reg<U32> a, Source32 b) => Emit("min.u32", d, a, b);

    /// <summary>d = a and b</summary>
    public void And(Reg<U32> d, Reg<U32> a, Source32 b) => Emit("and.b32", d, a, b);

    /// <summary>d = a or b</summary>
    public void Or(Reg<U32> d, Reg<U32> a, Source32 b) => Emit("or.b32", d, a, b);

    /// <summary>d = a xor b</summary>
    public void Xor(Reg<U32> d, Reg<U32> a, Source32 b) => Emit("xor.b32", d, a, b);

    /// <summary>The bits of a float32.</summary>
    public void Reinterpret(Reg<U32> d, Reg<F32> a) => Emit("mov.b32", d, a);

    /// <summary>The largest of the warp's values. The whole warp takes part.</summary>
    public void WarpMaximum(Reg<U32> d, Reg<U32> a) => Emit("redux.sync.max.u32", d, a, -1);

    /// <summary>The smallest of the warp's values. The whole warp takes part.</summary>
    public void WarpMinimum(Reg<U32> d, Reg<U32> a) => Emit("redux.sync.min.u32", d, a, -1);

    /// <summary>The same bits as a pair of numbers.</summary>
    public void Reinterpret<T>(Reg<T> d, Reg<U32> a)
        where T : struct, IPairType => Emit("mov.b32", d, a);

    /// <summary>The halves of a word.</summary>
    public void Split(Vec2<B16> d, Reg<U32> a) => Emit("mov.b32", d, a);

    /// <summary>Any four of the eight bytes of a and b, those of a first: the selector has a nibble for each byte of d, the lowest first.</summary>
    public void Permute(Reg<U32> d, Reg<U32> a, Source32 b, int selector) => Emit("prmt.b32", d, a, b, Hex((uint)selector));

    /// <summary>d = a · 2^bits</summary>
    public void ShiftLeft(Reg<U32> d, Reg<U32> a, Source32 bits) => Emit("shl.b32", d, a, bits);

    /// <summary>d = a / 2^bits</summary>
    public void ShiftRight(Reg<U32> d, Reg<U32> a, Source32 bits) => Emit("shr.u32", d, a, bits);

    /// <summary>a rotated to the right.</summary>
    public void RotateRight(Reg<U32> d, Reg<U32> a, int bits) => Emit("shf.r.wrap.b32", d, a, a, bits);

    /// <summary>One of two, by a predicate.</summary>
    public void Select(Reg<GlobalAddress> d, Reg<GlobalAddress> a, Reg<GlobalAddress> b, Reg<Predicate> first) => Emit("selp.b64", d, a, b, first);

    /// <summary>One of two, by a predicate.</summary>
    public void Select(Reg<U32> d, Source32 a, Source32 b, Reg<Predicate> first) => Emit("selp.b32", d, a, b, first);

    /// <summary>One of two, by a predicate.</summary>
    public void Select(Reg<F32> d, Reg<F32> a, SourceF32 b, Reg<Predicate> first) => Emit("selp.f32", d, a, b, first);

    /// <summary>(a and mask) xor flip, as a pair of bfloat16.</summary>
    public void MaskAndFlip(Reg<Bf16x2> d, Reg<U32> a, uint mask, uint flip) =>
        Emit("lop3.b32", d, a, Hex(mask), Hex(flip), "0x6A");

    /// <summary>(a and mask) or b, as a pair of float16.</summary>
    public void MaskAndOr(Reg<F16x2> d, Reg<U32> a, uint mask, Reg<U32> b) => Emit("lop3.b32", d, a, Hex(mask), b, "0xEA");

    /// <summary>An address moves by some bytes.</summary>
    public void Advance(Reg<GlobalAddress> d, Reg<GlobalAddress> a, Source64 bytes) => Emit("add.u64", d, a, bytes);

    /// <summary>An address moves by index · bytes.</summary>
    public void Advance(Reg<GlobalAddress> d, Reg<GlobalAddress> a, Reg<U32> index, Source32 bytes) => Emit("mad.wide.u32", d, index, bytes, a);

    /// <summary>An address moves by index · bytes.</summary>
    public void Advance(Reg<SharedAddress> d, Reg<SharedAddress> a, Reg<U32> index, Source32 bytes) => Emit("mad.lo.u32", d, index, bytes, a);

    /// <summary>An address moves by some bytes.</summary>
    public void Advance(Reg<SharedAddress> d, Reg<SharedAddress> a, int bytes) => Emit("add.u32", d, a, bytes);

    /// <summary>Where dynamic shared memory begins.</summary>
    public void SharedBase(Reg<SharedAddress> d) => Emit("mov.b32", d, SharedSymbol);

    /// <summary>A thread's number in its block.</summary>
    public void ThreadIndex(Reg<U32> d) => Emit("mov.b32", d, "%tid.x");

    /// <summary>A block's number, along x.</summary>
    public void BlockX(Reg<U32> d) => Emit("mov.b32", d, "%ctaid.x");

    /// <summary>A block's number, along y.</summary>
    public void BlockY(Reg<U32> d) => Emit("mov.b32", d, "%ctaid.y");

    /// <summary>A block's number, along z.</summary>
    public void BlockZ(Reg<U32> d) => Emit("mov.b32", d, "%ctaid.z");

    /// <summary>p = a &lt; b</summary>
    public void Less(Reg<Predicate> p, Reg<U32> a, Source32 b) => Emit("setp.lt.u32", p, a, b);

    /// <summary>p = a &gt; b</summary>
    public void Greater(Reg<Predicate> p, Reg<U32> a, Source32 b) => Emit("setp.gt.u32", p, a, b);

    /// <summary>p = a == b</summary>
    public void Equal(Reg<Predicate> p, Reg<U32> a, Source32 b) => Emit("setp.eq.u32", p, a, b);

    /// <summary>p = a != b</summary>
    public void NotEqual(Reg<Predicate> p, Reg<U32> a, Source32 b) => Emit("setp.ne.u32", p, a, b);

    /// <summary>Whether it is a number.</summary>
    public void IsNumber(Reg<Predicate> p, Reg<F32> a) => Emit("setp.num.f32", p, a, a);

    /// <summary>p = a and b</summary>
    public void And(Reg<Predicate> p, Reg<Predicate> a, Reg<Predicate> b) => Emit("and.pred", p, a, b);

    /// <summary>p = whether a holds in any lane. The whole warp takes part.</summary>
    public void Any(Reg<Predicate> p, Reg<Predicate> a) => Emit("vote.sync.any.pred", p, a, -1);

    /// <summary>Goes to a label; under <see cref="When"/>, the lanes for which it holds.</summary>
    public void Branch(Label label) => Emit("bra", label.Name);

    /// <summary>Goes to a label where all lanes of a warp decide alike: anything else is undefined.</summary>
    public void BranchUniform(Label label) => Emit("bra.uni", label.Name);

    /// <summary>The thread ends.</summary>
    public void Return() => Emit("ret");

    private static string Hex(uint value) => string.Create(CultureInfo.InvariantCulture, $"0x{value:X8}");
}
