using Llama4Kernels.PtxEmulator.Execution;

namespace Llama4Kernels.Tests.PtxEmulator.Execution;

/// <summary>What operands may be: constants, the destination itself, sinks; guards; dynamic shared memory.</summary>
public class OperandTests
{
    /// <summary>Instructions of every kind of step with their signature.</summary>
    public static TheoryData<string, string> Guarded => new()
    {
        { "add.u32 x, a, b;", "r,rr" },
        { "add.sat.s32 x, a, b;", "r,rr" },
        { "add.s16x2 x, a, b;", "r,rr" },
        { "add.u64 x, a, b;", "l,ll" },
        { "add.s16 x, a, b;", "h,hh" },
        { "mul.wide.s32 x, a, b;", "l,rr" },
        { "mad.wide.u32 x, a, b, c;", "l,rrl" },
        { "mad.lo.u32 x, a, b, c;", "r,rrr" },
        { "mad.hi.u64 x, a, b, c;", "l,lll" },
        { "mul.hi.s32 x, a, b;", "r,rr" },
        { "div.u32 x, a, b;", "r,rr" },
        { "shl.b64 x, a, b;", "l,lr" },
        { "bfi.b32 x, a, b, a, b;", "r,rr" },
        { "lop3.b32 x, a, b, c, 0x96;", "r,rrr" },
        { "popc.b64 x, a;", "r,l" },
        { "fma.rn.f32 x, a, b, c;", "f,fff" },
        { "fma.rz.f32 x, a, b, c;", "f,fff" },
        { "add.f32 x, a, b;", "f,ff" },
        { "fma.rn.f64 x, a, b, c;", "d,ddd" },
        { "fma.rn.bf16x2 x, a, b, c;", "r,rrr" },
        { "cvt.rn.f32.s64 x, a;", "f,l" },
        { "cvt.u16.u64 x, a;", "h,l" },
        { "cvt.rn.f16x2.f32 x, a, b;", "r,ff" },
        { "setp.lt.s32 x, a, b;", "p,rr" },
        { "setp.lt.s64 x, a, b;", "p,ll" },
        { "setp.ltu.f32 x, a, b;", "p,ff" },
        { "setp.gt.f16x2 x|_, a, b;", "p,rr" },
        { "set.lt.u32.s32 x, a, b;", "r,rr" },
        { "set.gt.f16x2.f16x2 x, a, b;", "r,rr" },
        { "testp.finite.f64 x, a;", "p,d" },
        { "selp.b32 x, a, b, c;", "r,rrp" },
        { "selp.b64 x, a, b, c;", "l,llp" },
        { "slct.b32.s32 x, a, b, c;", "r,rrr" },
        { "and.pred x, a, b;", "p,pp" },
        { "mov.b32 x, a;", "r,r" },
        { "mov.b64 x, a;", "l,l" },
        { "mov.b64 x, {a, b};", "l,rr" },
        { "mov.b64 {x, _}, a;", "r,l" },
        { "{ .reg .b128 q; mov.b128 q, {a, b}; @k mov.b128 {x, _}, q; }", "l,ll" },
        { "mov.u32 x, %laneid;", "r,r" },
    };

    [Theory]
    [MemberData(nameof(Guarded))]
    public void AGuardKeepsTheOldValue(string body, string signature)
    {
        // Inputs are followed by the old value and the guard: both forms run, and the guarded one must choose between the results.
        string[] sides = signature.Split(',');
        int inputs = sides[1].Length;
        const string names = "abcegij";
        string old = names[inputs].ToString(), result = sides[0];
        string Guard(string sign) => body.Contains("@k", StringComparison.Ordinal) ? body.Replace("@k", $"@{sign}k", StringComparison.Ordinal) : $"@{sign}k {body}";
        string full = sides[1] + result;
        var random = new Random(inputs);
        ulong[][] columns = [.. full.Select(letter => Enumerable.Range(0, 96).Select(_ => Value(random, letter)).ToArray()), [.. Enumerable.Range(0, 96).Select(i => (ulong)(i * 7 / 3 & 1))]];
        // The guard's register is the last input; its name depends on their number.
        string guard = names[inputs + 1].ToString();
        string move = result == "p" ? "mov.pred" : result == "h" ? "mov.b16" : result is "r" or "f" ? $"mov.{(result == "f" ? "f32" : "b32")}" : $"mov.{(result == "d" ? "f64" : "b64")}";
        foreach (bool negated in new[] { false, true })
        {
            string guarded = Guard(negated ? "!" : "").Replace("@k", $"@{guard}", StringComparison.Ordinal).Replace("@!k", $"@!{guard}", StringComparison.Ordinal);
            ulong[] plain = InstructionRun.Execute(body.Replace("@k ", "", StringComparison.Ordinal), $"{result},{full}p", columns)[0];
            ulong[] got = InstructionRun.Execute($"{move} x, {old}; {guarded}", $"{result},{full}p", columns)[0];
            for (int i = 0; i < got.Length; i++)
            {
                bool runs = (columns[^1][i] != 0) != negated;
                Assert.Equal(runs ? plain[i] : columns[inputs][i], got[i]);
            }
        }
    }

    private static ulong Value(Random random, char letter) => letter switch
    {
        'p' => (ulong)random.Next(2),
        'h' => (ulong)random.Next(1, 0xFFFF),
        'r' => (ulong)random.NextInt64(1, 0xFFFF_FFFF),
        'f' => BitConverter.SingleToUInt32Bits(random.NextSingle() - 0.5f),
        'd' => BitConverter.DoubleToUInt64Bits(random.NextDouble() - 0.5),
        _ => (ulong)random.NextInt64(1, long.MaxValue),
    };

    [Fact]
    public void TheDestinationMayBeASource()
    {
        InstructionCheck.Word("mov.b32 x, a; mad.lo.u32 x, x, x, x;", "r,r", row => (uint)((row[0] * row[0]) + row[0]));
        InstructionCheck.Word("mov.b32 x, a; prmt.b32 x, x, x, x;", "r,r", row => Enumerable.Range(0, 4).Aggregate(0ul, (sum, i) =>
        {
            ulong part = row[0] >> (8 * (int)(row[0] >> (4 * i) & 3)) & 0xFF;
            return sum | ((row[0] >> (4 * i) & 8) == 0 ? part : part > 127 ? 0xFFul : 0) << (8 * i);
        }));
        InstructionCheck.Words("mov.pred x, c; setp.lt.and.s32 x|y, a, b, x;", "pp,rrp", row =>
            [(int)row[0] < (int)row[1] ? row[2] : 0, (int)row[0] < (int)row[1] ? 0 : row[2]]);
        InstructionCheck.Words("mov.pred x, c; setp.eq.or.f16x2 x|y, 0, 0, x;", "pp,rrp", _ => [1, 1]);
        InstructionCheck.Words("mov.pred x, c; setp.ne.xor.f16x2 x|y, 0, 0, x;", "pp,rrp", row => [row[2], row[2]]);
        InstructionCheck.Words("mov.pred x, c; setp.eq.xor.f16x2 x|y, 0, 0, x;", "pp,rrp", row => [row[2] ^ 1, row[2] ^ 1]);
        InstructionCheck.Words("mov.b64 x, a; add.cc.u64 x, x, x; addc.u64 y, 0, 0;", "ll,l", row => [row[0] << 1, row[0] >> 63]);
        InstructionCheck.Words("mov.b32 x, a; mov.b32 y, b; { .reg .v2 .b32 v; mov.v2.b32 v, {y, x}; mov.v2.b32 v, {v.y, v.x}; mov.v2.b32 {y, x}, v; }", "rr,rr", row => [row[1], row[0]]);
    }

    [Fact]
    public void AtomicVectorsMaySwapTheirRegisters()
    {
        ulong[] data = new ulong[64];
        ulong[] got = InstructionRun.Threaded("""
            mad.wide.u32 m, t, 8, m; cvt.rn.f32.u32 f0, t; add.f32 f1, f0, 100.0;
            st.global.v2.f32 [m], {1000.0, 2000.0};
            atom.global.add.v2.f32 {f1, f0}, [m], {f0, f1};
            add.f32 f2, f0, f1; cvt.rzi.u64.f32 rd0, f2; st.global.u64 [o], rd0;
            """, data: data);
        Assert.All(got, word => Assert.Equal(3000ul, word));
        Assert.Equal(Enumerable.Range(0, 32).Select(i => BitConverter.SingleToUInt32Bits(1000 + i) | (ulong)BitConverter.SingleToUInt32Bits(2100 + i) << 32), data.Take(32));
    }

    [Fact]
    public void ConstantsKeepTheirBits()
    {
        (string Body, string Signature, ulong Expected)[] cases =
        [
            ("mov.u32 x, -1;", "r,r", 0xFFFF_FFFF),
            ("mov.u64 x, -2;", "l,r", ulong.MaxValue - 1),
            ("mov.u16 x, 0xFFFE;", "h,r", 0xFFFE),
            ("mov.b16 x, -3;", "h,r", 0xFFFD),
            ("mov.f32 x, 1.5;", "f,r", 0x3FC0_0000),
            ("mov.f32 x, -2.0;", "f,r", 0xC000_0000),
            ("mov.f32 x, 0f7FC00001;", "f,r", 0x7FC0_0001),
            ("mov.f32 x, 0fFF800001;", "f,r", 0xFF80_0001),
            ("mov.b32 x, 0f3F800000;", "r,r", 0x3F80_0000),
            ("mov.f64 x, 0d7FF0000000000001;", "d,r", 0x7FF0_0000_0000_0001),
            ("mov.f64 x, 1.5;", "d,r", 0x3FF8_0000_0000_0000),
            ("add.s64 x, -5, 3;", "l,r", ulong.MaxValue - 1),
            ("add.s16 x, -5, 3;", "h,r", 0xFFFE),
            ("mul.wide.s16 x, -5, 3;", "r,r", 0xFFFF_FFF1),
            ("mul.wide.s32 x, -5, 0x7fffffff;", "l,r", 0xFFFF_FFFD_8000_0005),
            ("fma.rn.f32 x, 2.0, 0f40400000, -1.0;", "f,r", 0x40A0_0000),
            ("fma.rn.f64 x, 2.0, 0d4008000000000000, -1.0;", "d,r", 0x4014_0000_0000_0000),
            ("selp.f32 x, 1.0, 0.0, 1;", "f,r", 0x3F80_0000),
            ("setp.lt.s32 x, -1, 1;", "p,r", 1),
            ("setp.lt.u64 x, -1, 1;", "p,r", 0),
            ("cvt.s64.s32 x, -7;", "l,r", ulong.MaxValue - 6),
            ("cvt.rn.f32.s32 x, -7;", "f,r", 0xC0E0_0000),
            ("mov.u32 x, 5 + 3 * 2;", "r,r", 11),
            ("mov.u32 x, 0b1010;", "r,r", 10),
            ("mov.u32 x, 017;", "r,r", 15),
            ("shr.s16 x, -4, 1;", "h,r", 0xFFFE),
            ("brev.b64 x, 1;", "l,r", 0x8000_0000_0000_0000),
            ("mov.pred x, 1;", "p,r", 1),
        ];
        Assert.All(cases, one => Assert.Equal(one.Expected, InstructionRun.Execute(one.Body, one.Signature, [[0]])[0][0]));
    }

    [Fact]
    public void DynamicSharedMemoryLiesBehindTheStaticOne()
    {
        ulong[] output = new ulong[32];
        InstructionRun.Launch(
            InstructionRun.Kernel(1, """
            .reg .b32 t, r<9>; .reg .b64 o, rd<3>; .shared .align 8 .b8 fixed[24];
            mov.u32 t, %tid.x; ld.param.u64 o, [arg0]; mul.wide.u32 rd0, t, 8; add.u64 o, o, rd0;
            mov.u32 r0, fixed; mov.u32 r1, dynamic; mov.u32 r2, %dynamic_smem_size; mov.u32 r3, %total_smem_size;
            mad.lo.u32 r4, t, 4, r1; st.shared.u32 [r4], t; bar.warp.sync -1; xor.b32 r5, t, 31; mad.lo.u32 r5, r5, 4, r1; ld.shared.u32 r6, [r5];
            sub.u32 r1, r1, r0; mad.lo.u32 r1, r1, 1000, r2; mad.lo.u32 r1, r1, 1000, r3; mad.lo.u32 r1, r1, 100, r6; cvt.u64.u32 rd1, r1; st.global.u64 [o], rd1; ret;
            """, ".extern .shared .align 16 .b8 dynamic[];"),
            1,
            32,
            [output],
            dynamicShared: 128);
        for (uint i = 0; i < 32; i++)
        {
            Assert.Equal((((((32 * 1000u) + 128) * 1000) + 160) * 100) + 31 - i, (uint)output[i]);
        }
    }

    [Fact]
    public void ArrivalsDropAndCount()
    {
        ulong[] got = InstructionRun.Threaded("""
            .shared .align 8 .b64 bar; .reg .b32 address; mov.u32 address, bar; setp.eq.u32 p0, t, 0; mov.u64 rd9, bar; cvta.shared.u64 rd9, rd9;
            @p0 mbarrier.init.b64 [rd9], 42;
            bar.warp.sync -1;
            // Two arrivals less, also in the next phase.
            @p0 mbarrier.arrive_drop.shared::cta.b64 _, [address], 2;
            bar.warp.sync -1;
            setp.lt.u32 p1, t, 8; mov.u64 rd1, 0;
            @p1 mbarrier.arrive_drop.shared::cta.b64 rd1, [address];
            @!p1 mbarrier.arrive.shared.b64 rd1, [address];
            bar.warp.sync -1;
            @p0 mbarrier.arrive.noComplete.shared.b64 rd3, [address], 7;
            bar.warp.sync -1;
            mbarrier.test_wait.parity.shared.b64 p2, [address], 0;
            @p0 mbarrier.arrive.release.cta.shared.b64 rd2, [address];
            bar.warp.sync -1;
            mbarrier.test_wait.parity.acquire.cta.shared.b64 p3, [address], 0;
            mbarrier.test_wait.parity.shared.b64 p4, [address], 1;
            // 32 of 40 are left for the next phase.
            bar.warp.sync -1;
            mbarrier.arrive.shared.b64 rd4, [address];
            bar.warp.sync -1;
            mbarrier.test_wait.shared.b64 p5, [address], rd4;
            selp.u64 rd0, 1, 0, p2; selp.u64 rd5, 2, 0, p3; selp.u64 rd6, 4, 0, p4; selp.u64 rd7, 8, 0, p5; add.u64 rd0, rd0, rd5; add.u64 rd0, rd0, rd6; add.u64 rd0, rd0, rd7;
            st.global.u64 [o], rd0;
            """, options: new LaunchOptions { Workers = 1 });
        Assert.All(got, word => Assert.Equal(10ul, word));
    }
}
