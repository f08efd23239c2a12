using Llama4Kernels.PtxEmulator.Numerics;

namespace Llama4Kernels.Tests.PtxEmulator.Execution;

/// <summary>atom and red: every operation, type and space against the operations one after another.</summary>
public class AtomicInstructionTests
{
    private static readonly ulong[] s_starts = [0, 1, 31, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 0x7FFF_FFFF_FFFF_FFFF, ulong.MaxValue, 0x8000_0000_0000_0000];

    public static TheoryData<string, string> Forms
    {
        get
        {
            var data = new TheoryData<string, string>();
            foreach (string space in new[] { "global", "shared", "" })
            {
                foreach (string form in "add.u32 add.s32 add.u64 min.u32 min.s32 min.u64 min.s64 max.u32 max.s32 max.u64 max.s64 and.b32 and.b64 or.b32 or.b64 xor.b32 xor.b64 exch.b32 exch.b64 inc.u32 dec.u32".Split(' '))
                {
                    data.Add(space, form);
                }
            }
            return data;
        }
    }

    private static ulong Apply(string form, ulong old, ulong value)
    {
        bool wide = form.EndsWith("64", StringComparison.Ordinal);
        ulong result = form switch
        {
            "add.u32" or "add.s32" or "add.u64" => old + value,
            "min.u32" or "min.u64" => Math.Min(old, value),
            "max.u32" or "max.u64" => Math.Max(old, value),
            "min.s32" => (ulong)(uint)Math.Min((int)old, (int)value),
            "max.s32" => (ulong)(uint)Math.Max((int)old, (int)value),
            "min.s64" => (ulong)Math.Min((long)old, (long)value),
            "max.s64" => (ulong)Math.Max((long)old, (long)value),
            "and.b32" or "and.b64" => old & value,
            "or.b32" or "or.b64" => old | value,
            "xor.b32" or "xor.b64" => old ^ value,
            "inc.u32" => old >= value ? 0 : old + 1,
            "dec.u32" => old == 0 || old > value ? value : old - 1,
            _ => value,
        };
        return wide ? result : result & 0xFFFF_FFFF;
    }

    /// <summary>Places, one per lane, in the space: rd0 is the address of 16 bytes there.</summary>
    private static string Place(string space) => space switch
    {
        "global" => "mad.wide.u32 rd0, t, 16, m;",
        "shared" => ".shared .align 16 .b8 buffer[1024]; mov.u64 rd0, buffer; mad.wide.u32 rd0, t, 16, rd0;",
        _ => ".shared .align 16 .b8 buffer[1024]; mov.u64 rd0, buffer; cvta.shared.u64 rd0, rd0; mad.wide.u32 rd0, t, 16, rd0;",
    };

    [Theory]
    [MemberData(nameof(Forms))]
    public void EachLaneGetsTheOldValue(string space, string form)
    {
        string register = form.EndsWith("64", StringComparison.Ordinal) ? "rd" : "r";
        string type = register == "rd" ? "u64" : "u32";
        string dotted = space.Length > 0 ? "." + space : "";
        string mad = register == "rd" ? "mad.lo.u64" : "mad.lo.u32";
        foreach (ulong start in s_starts)
        {
            ulong first = register == "rd" ? start : start & 0xFFFF_FFFF;
            ulong[] got = InstructionRun.Threaded($"""
                {Place(space)}
                cvt.u64.u32 rd2, t; mov.u32 r2, t; {mad} {register}2, {register}2, 0x11111111, 3;
                mov.b{type[1..]} {register}1, {first}; st{dotted}.{type} [rd0], {register}1;
                atom{dotted}.{form} {register}3, [rd0], {register}2;
                red{dotted}.{(form.StartsWith("exch", StringComparison.Ordinal) ? "add." + type : form)} [rd0], {register}2;
                ld{dotted}.{type} {register}4, [rd0];
                {mad} {register}4, {register}3, 5, {register}4;
                mov.u32 r9, 0; st.global.u64 [o], 0; st.global.{type} [o], {register}4;
                """, data: new ulong[64]);
            for (uint lane = 0; lane < 32; lane++)
            {
                ulong value = register == "rd" ? (lane * 0x1111_1111ul) + 3 : (uint)((lane * 0x1111_1111u) + 3);
                ulong middle = Apply(form, first, value);
                ulong last = Apply(form.StartsWith("exch", StringComparison.Ordinal) ? "add." + type : form, middle, value);
                ulong expected = unchecked((first * 5) + last);
                Assert.Equal(register == "rd" ? expected : (uint)expected, got[lane]);
            }
        }
    }

    [Theory]
    [InlineData("global")]
    [InlineData("shared")]
    [InlineData("")]
    public void CollisionsLoseNothing(string space)
    {
        string dotted = space.Length > 0 ? "." + space : "";
        ulong[] got = InstructionRun.Threaded($"""
            {Place(space)}
            mul.wide.u32 rd5, t, 16; sub.u64 rd0, rd0, rd5;
            setp.eq.u32 p0, t, 0; @p0 st{dotted}.u32 [rd0], 0; @p0 st{dotted}.u64 [rd0+8], 0;
            mov.u64 rd9, 7;
            bar.sync 0;
            atom{dotted}.add.u32 r0, [rd0], 1;
            red{dotted}.add.u64 [rd0+8], rd9;
            bar.sync 0;
            ld{dotted}.u32 r1, [rd0]; ld{dotted}.u64 rd1, [rd0+8];
            mul.wide.u32 rd3, r0, 0x10000; add.u64 rd3, rd3, rd1; mul.wide.u32 rd4, r1, 0x1000000; add.u64 rd3, rd3, rd4;
            st.global.u64 [o], rd3;
            """, 128, data: new ulong[4]);
        Assert.Equal(Enumerable.Range(0, 128).Select(i => (ulong)i), got.Select(word => word >> 16 & 0xFF).Order());
        Assert.All(got, word => Assert.Equal(((128ul << 24) + (128 * 7)), word & ~0xFF_0000ul));
    }

    [Theory]
    [InlineData("b16", "h")]
    [InlineData("b32", "r")]
    [InlineData("b64", "rd")]
    public void ComparedWordsAreSwapped(string type, string register)
    {
        foreach (string space in new[] { "global", "shared", "" })
        {
            string dotted = space.Length > 0 ? "." + space : "";
            ulong[] got = InstructionRun.Threaded($"""
                {Place(space)}
                cvt.u64.u32 rd9, t; cvt.u16.u32 h9, t; mov.u32 r9, t;
                mov.{type} {register}1, 5; mov.{type} {register}2, 1000;
                st{dotted}.{type} [rd0], {register}9;
                atom.acq_rel.gpu{dotted}.cas.{type} {register}3, [rd0], {register}1, {register}2;
                ld{dotted}.u16 r1, [rd0]; cvt.u64.u32 rd8, r1; shl.b64 rd8, rd8, 32;
                {(register == "rd" ? "mov.u64 rd7, rd3;" : register == "r" ? "cvt.u64.u32 rd7, r3;" : "cvt.u64.u16 rd7, h3;")}
                or.b64 rd7, rd7, rd8; st.global.u64 [o], rd7;
                """, data: new ulong[64]);
            Assert.Equal(Enumerable.Range(0, 32).Select(i => (ulong)(uint)i | (i == 5 ? 1000ul : (uint)i) << 32), got);
        }
    }

    [Theory]
    [InlineData("global")]
    [InlineData("shared")]
    public void WordsOf128BitsAreExchanged(string space)
    {
        ulong[] got = InstructionRun.Threaded($$"""
            {{Place(space)}}
            mov.u64 rd20, 17; mov.u64 rd21, 5; mov.u64 rd22, 100; mov.u64 rd23, 200; cvt.u64.u32 rd1, t;
            mov.b128 q0, {rd1, rd20}; mov.b128 q1, {rd21, rd20}; mov.b128 q2, {rd22, rd23};
            st.{{space}}.b128 [rd0], q0;
            atom.{{space}}.cas.b128 q3, [rd0], q1, q2;
            atom.{{space}}.exch.b128 q4, [rd0], q0;
            mov.b128 {rd2, rd3}, q3; mov.b128 {rd4, rd5}, q4; ld.{{space}}.v2.u64 {rd6, rd7}, [rd0];
            mad.lo.u64 rd2, rd3, 1000, rd2; mad.lo.u64 rd2, rd2, 1000, rd4; mad.lo.u64 rd2, rd2, 1000, rd5; mad.lo.u64 rd2, rd2, 1000, rd6; mad.lo.u64 rd2, rd2, 1000, rd7;
            st.global.u64 [o], rd2;
            """, data: new ulong[64]);
        for (ulong lane = 0; lane < 32; lane++)
        {
            ulong[] parts = [17, lane, lane == 5 ? 100ul : lane, lane == 5 ? 200ul : 17, lane, 17];
            Assert.Equal(parts.Aggregate(0ul, (sum, part) => unchecked((sum * 1000) + part)), got[lane]);
        }
    }

    [Fact]
    public void SumsOfSinglesFlushInGlobalMemoryOnly()
    {
        // The smallest subnormal number twice.
        foreach ((string space, ulong expected) in new[] { ("global", 0ul), ("shared", 2ul), ("", 2ul) })
        {
            Assert.All(Sum(space, Place(space)), word => Assert.Equal(expected, word));
        }
        Assert.All(Sum("", Place("global")), word => Assert.Equal(0ul, word));

        static ulong[] Sum(string space, string place)
        {
            string dotted = space.Length > 0 ? "." + space : "";
            return InstructionRun.Threaded($"""
                {place}
                mov.b32 f1, 0f00000001; st{dotted}.f32 [rd0], f1;
                atom{dotted}.add.f32 f2, [rd0], f1;
                ld{dotted}.u32 r1, [rd0]; cvt.u64.u32 rd1, r1; st.global.u64 [o], rd1;
                """, data: new ulong[64]);
        }
    }

    [Theory]
    [InlineData("add.f32", "f", 4)]
    [InlineData("add.f64", "d", 8)]
    [InlineData("add.noftz.f16", "h", 2)]
    [InlineData("add.noftz.bf16", "h", 2)]
    [InlineData("add.noftz.f16x2", "r", 4)]
    [InlineData("add.noftz.bf16x2", "r", 4)]
    [InlineData("min.noftz.f16x2", "r", 4)]
    [InlineData("max.noftz.bf16x2", "r", 4)]
    [InlineData("add.v2.f32", "f", 4)]
    [InlineData("add.v4.f32", "f", 4)]
    [InlineData("add.noftz.v2.f16", "h", 2)]
    [InlineData("add.noftz.v4.bf16", "h", 2)]
    [InlineData("max.noftz.v8.f16", "h", 2)]
    [InlineData("min.noftz.v2.bf16x2", "r", 4)]
    [InlineData("add.noftz.v4.f16x2", "r", 4)]
    public void FloatsAreAddedAndCompared(string form, string register, int bytes)
    {
        string type = form.Split('.')[^1];
        int count = form.Split('.').FirstOrDefault(piece => piece.Length == 2 && piece[0] == 'v') is string vector ? vector[1] - '0' : 1;
        FloatDefinition format = type switch { "f32" => FloatDefinition.F32, "f64" => FloatDefinition.F64, "f16" or "f16x2" => FloatDefinition.F16, _ => FloatDefinition.BF16 };
        int width = 1 + format.FractionBits + format.ExponentBits;
        var random = new Random(count);
        // Normal numbers only: what is flushed is tested elsewhere.
        byte[] start = new byte[512], value = new byte[512];
        for (int at = 0; at < 512; at += width / 8)
        {
            Put(start, at, format.Round(FloatDefinition.F64.Value(BitConverter.DoubleToUInt64Bits((random.NextDouble() - 0.5) * 8))));
            Put(value, at, format.Round(FloatDefinition.F64.Value(BitConverter.DoubleToUInt64Bits((random.NextDouble() - 0.5) * 8))));
        }
        string List(int first) => count == 1 ? $"{register}{first}" : $"{{{string.Join(", ", Enumerable.Range(first, count).Select(i => register + i))}}}";
        string loads = string.Concat(Enumerable.Range(0, count).Select(i => $"ld.global.b{bytes * 8} {register}{i}, [m+{1024 + (i * bytes)}];"));
        string stores = string.Concat(Enumerable.Range(0, count).Select(i => $"st.global.b{bytes * 8} [m+{2048 + (i * bytes)}], {register}{8 + i};"));
        ulong[] data = [.. Words(start), .. new ulong[64], .. Words(value), .. new ulong[64], .. new ulong[128]];
        Assert.Equal(384, data.Length);
        InstructionRun.Threaded($"mul.wide.u32 rd0, t, 16; add.u64 m, m, rd0; {loads} atom.global.{form} {List(8)}, [m], {List(0)}; red.relaxed.gpu.global.{form} [m], {List(0)}; {stores}", data: data);
        byte[] result = [.. data.SelectMany(BitConverter.GetBytes)];
        for (int lane = 0; lane < 32; lane++)
        {
            for (int at = 16 * lane; at < (16 * lane) + (count * bytes); at += width / 8)
            {
                ulong old = Get(start, at), b = Get(value, at);
                Assert.Equal(old, Get(result, at + 2048));
                Assert.Equal(Apply(Apply(old, b), b), Get(result, at));
            }
        }

        ulong Apply(ulong a, ulong b) => form[..3] switch { "add" => format.Add(a, b, Rounding.NearestEven), "min" => format.Min(a, b, false), _ => format.Max(a, b, false) };

        void Put(byte[] target, int at, ulong code) => BitConverter.GetBytes(code).AsSpan(0, width / 8).CopyTo(target.AsSpan(at));

        ulong Get(byte[] from, int at) => Enumerable.Range(0, width / 8).Aggregate(0ul, (code, i) => code | (ulong)from[at + i] << (8 * i));

        static IEnumerable<ulong> Words(byte[] from) => Enumerable.Range(0, from.Length / 8).Select(i => BitConverter.ToUInt64(from, i * 8));
    }
}
