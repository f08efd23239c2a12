using System.Globalization;
using Llama4Kernels.PtxEmulator.Execution;

namespace Llama4Kernels.Tests.PtxEmulator.Execution;

/// <summary>Loads and stores of all widths, vectors and spaces; addresses of all windows.</summary>
public class MemoryInstructionTests
{
    private static readonly ulong[] s_pattern = [.. Enumerable.Range(0, 64).Select(i => 0x8182_8384_8586_8788ul * (ulong)((2 * i) + 1))];

    private static ulong Bytes(ulong[] words, int at, int count)
    {
        byte[] bytes = [.. words.SelectMany(BitConverter.GetBytes)];
        return Enumerable.Range(0, count).Aggregate(0ul, (value, i) => value | (ulong)bytes[at + i] << (8 * i));
    }

    private static ulong Extended(ulong value, string type)
    {
        int width = int.Parse(type.AsSpan(1));
        return type[0] == 's' ? (ulong)((long)(value << (64 - width)) >> (64 - width)) : value;
    }

    [Fact]
    public void NarrowLoadsAreExtendedIntoWiderRegisters()
    {
        foreach (string type in new[] { "u8", "s8", "b8", "u16", "s16", "b16", "u32", "s32", "b32", "f32", "u64", "s64", "b64", "f64" })
        {
            int bytes = int.Parse(type.AsSpan(1)) / 8;
            foreach ((string register, int width) in new[] { ("h1", 16), ("r1", 32), ("rd1", 64) })
            {
                if (width < bytes * 8 || (type[0] == 'f' && width != bytes * 8))
                {
                    continue;
                }
                string target = type == "f32" ? "f1" : type == "f64" ? "d1" : register;
                string move = width switch { 16 => "cvt.u64.u16 rd2, h1;", 32 => $"mov.b32 r1, {target}; cvt.u64.u32 rd2, r1;", _ => $"mov.b64 rd2, {target};" };
                ulong[] got = InstructionRun.Threaded($"""
                    mul.lo.u32 r0, t, {bytes}; cvt.u64.u32 rd0, r0; add.u64 rd0, m, rd0;
                    ld.global.{type} {target}, [rd0+{bytes}];
                    {move}
                    st.global.u64 [o], rd2;
                    """, data: [.. s_pattern]);
                for (int lane = 0; lane < 32; lane++)
                {
                    ulong expected = Extended(Bytes(s_pattern, (lane + 1) * bytes, bytes), type) & (ulong.MaxValue >> (64 - width));
                    Assert.True(expected == got[lane], $"ld.{type} into {target}, lane {lane}: {got[lane]:x}, not {expected:x}");
                }
            }
        }
    }

    [Theory]
    [InlineData("global", "m")]
    [InlineData("shared", "rd8")]
    [InlineData("local", "rd8")]
    [InlineData("", "rd9")]
    public void VectorsMoveTheirElements(string space, string place)
    {
        string dotted = space.Length > 0 ? "." + space : "";
        string setup = space switch
        {
            "global" => "mad.wide.u32 m, t, 32, m;",
            "shared" => "mad.lo.u32 r20, t, 32, 0; mov.u64 rd8, buffer; cvt.u64.u32 rd9, r20; add.u64 rd8, rd8, rd9;",
            "local" => "mov.u64 rd8, stack;",
            _ => "mov.u64 rd8, stack; cvta.local.u64 rd9, rd8;",
        };
        foreach ((string type, string prefix) in new[] { ("b8", "h"), ("u16", "h"), ("b32", "r"), ("f32", "f"), ("b64", "rd"), ("f64", "d") })
        {
            int bytes = int.Parse(type.AsSpan(1)) / 8;
            foreach (int count in new[] { 1, 2, 4 }.Where(count => count * bytes <= 16))
            {
                string List(int first) => count == 1 ? $"{prefix}{first}" : $"{{{string.Join(", ", Enumerable.Range(first, count).Select(i => prefix + i))}}}";
                string vector = count == 1 ? "" : $".v{count}";
                // Bytes 0 to 15 hold lane + position; the vector is copied from 0 to 16, and the bytes are folded into one word.
                string fill = string.Concat(Enumerable.Range(0, 32).Select(i => $"add.u32 r30, t, {i}; st{dotted}.u8 [{place}+{i}], r30;\n"));
                string fold = string.Concat(Enumerable.Range(16, 16).Select(i => $"ld{dotted}.u8 rd10, [{place}+{i}]; mul.lo.u64 rd11, rd11, 31; add.u64 rd11, rd11, rd10;\n"));
                ulong[] got = InstructionRun.Threaded($$"""
                    .local .align 16 .b8 stack[32]; .shared .align 16 .b8 buffer[1024];
                    {{setup}}
                    {{fill}}
                    ld{{dotted}}{{vector}}.{{type}} {{List(1)}}, [{{place}}];
                    st{{dotted}}{{vector}}.{{type}} [{{place}}+16], {{List(1)}};
                    mov.u64 rd11, 7;
                    {{fold}}
                    st.global.u64 [o], rd11;
                    """, data: new ulong[128]);
                for (int lane = 0; lane < 32; lane++)
                {
                    ulong expected = 7;
                    for (int i = 0; i < 16; i++)
                    {
                        expected = unchecked((expected * 31) + (ulong)(lane + i + (i < bytes * count ? 0 : 16)));
                    }
                    Assert.True(expected == got[lane], $"{space} v{count}.{type}, lane {lane}");
                }
            }
        }
    }

    [Fact]
    public void WideAccessesSinksAndConstants()
    {
        ulong[] got = InstructionRun.Threaded("""
            mad.wide.u32 m, t, 16, m;
            ld.global.b128 q0, [m];
            mov.b128 {rd1, rd2}, q0;
            st.global.b128 [m], q0;
            ld.global.v4.u32 {_, r1, _, r2}, [m];
            st.global.v2.u64 [m], {rd2, 5};
            ld.global.v2.b64 {rd3, rd4}, [m];
            mov.b64 rd5, {r1, r2};
            xor.b64 rd6, rd1, rd2; xor.b64 rd6, rd6, rd3; add.u64 rd6, rd6, rd4; add.u64 rd6, rd6, rd5;
            st.global.u64 [o], rd6;
            """, data: [.. s_pattern]);
        for (int lane = 0; lane < 32; lane++)
        {
            (ulong a, ulong b) = (s_pattern[2 * lane], s_pattern[(2 * lane) + 1]);
            Assert.Equal(unchecked((a ^ b ^ b) + 5 + (a >> 32 | b >> 32 << 32)), got[lane]);
        }
    }

    [Fact]
    public void VectorRegistersHaveComponents()
    {
        ulong[] got = InstructionRun.Threaded("""
            .reg .v4 .b32 v, u; .reg .v2 .f32 e;
            mov.u32 v.x, t; add.u32 v.y, t, 1; add.u32 v.z, v.x, v.y; mov.b32 v.w, 9;
            mad.wide.u32 m, t, 16, m;
            st.global.v4.b32 [m], v;
            ld.global.v4.b32 u, [m];
            mov.v4.b32 v, {u.w, u.z, u.y, u.x};
            mov.v4.b32 v, {v.r, v.g, v.a, v.b};
            mov.v2.f32 e, {0f3F800000, 0f40000000};
            mad.lo.u32 r0, v.x, 1000, v.y; mad.lo.u32 r0, r0, 1000, v.z; mad.lo.u32 r0, r0, 1000, v.w;
            add.f32 f0, e.x, e.y; cvt.rzi.u32.f32 r1, f0; add.u32 r0, r0, r1;
            cvt.u64.u32 rd0, r0; st.global.u64 [o], rd0;
            """, data: new ulong[64]);
        for (int lane = 0; lane < 32; lane++)
        {
            Assert.Equal((uint)(((((9 * 1000) + (2 * lane) + 1) * 1000L) + lane) * 1000 + lane + 1 + 3), (uint)got[lane]);
        }
    }

    [Fact]
    public void WindowsAreToldApart()
    {
        ulong[] got = InstructionRun.Threaded("""
            .local .align 8 .b8 stack[8]; .shared .align 8 .b8 buffer[8];
            mov.u64 rd0, buffer; cvta.shared.u64 rd0, rd0;
            mov.u64 rd1, stack; cvta.local.u64 rd1, rd1;
            mov.u64 rd2, arg0; cvta.param.u64 rd2, rd2;
            cvta.global.u64 rd3, o;
            mov.u64 rd4, table; cvta.const.u64 rd4, rd4;
            mov.u64 rd10, 0;
            isspacep.shared p0, rd0; selp.u64 rd11, 1, 0, p0; or.b64 rd10, rd10, rd11;
            isspacep.local p0, rd1; selp.u64 rd11, 2, 0, p0; or.b64 rd10, rd10, rd11;
            isspacep.param p0, rd2; selp.u64 rd11, 4, 0, p0; or.b64 rd10, rd10, rd11;
            isspacep.global p0, rd3; selp.u64 rd11, 8, 0, p0; or.b64 rd10, rd10, rd11;
            isspacep.const p0, rd4; selp.u64 rd11, 16, 0, p0; or.b64 rd10, rd10, rd11;
            isspacep.global p0, rd0; selp.u64 rd11, 32, 0, p0; or.b64 rd10, rd10, rd11;
            isspacep.shared::cta p0, rd1; selp.u64 rd11, 64, 0, p0; or.b64 rd10, rd10, rd11;
            isspacep.const p0, rd3; selp.u64 rd11, 128, 0, p0; or.b64 rd10, rd10, rd11;
            isspacep.global p0, rd4; selp.u64 rd11, 256, 0, p0; or.b64 rd10, rd10, rd11;
            st.u32 [rd0], 7; cvta.to.shared.u64 rd5, rd0; 
            mov.u64 rd6, buffer; setp.eq.u64 p0, rd5, rd6; selp.u64 rd11, 512, 0, p0; or.b64 rd10, rd10, rd11;
            ld.u64 rd7, [rd2]; ld.param.u64 rd8, [arg0]; setp.eq.u64 p0, rd7, rd8; selp.u64 rd11, 1024, 0, p0; or.b64 rd10, rd10, rd11;
            ld.u32 r7, [rd4+4]; ld.const.u32 r8, [table+4]; add.u32 r7, r7, r8; setp.eq.u32 p0, r7, 84; selp.u64 rd11, 2048, 0, p0; or.b64 rd10, rd10, rd11;
            st.u64 [o], rd10;
            """, before: ".const .align 8 .u32 table[2] = {41, 42};");
        Assert.All(got, value => Assert.Equal(0b1110_0001_1111ul, value));
    }

    [Fact]
    public void ParametersOfAnyKindAreRead()
    {
        string text = """
            .version 9.0
            .target sm_80
            .address_size 64
            .visible .entry k(.param .u64 p0, .param .u8 small, .param .align 16 .b8 block[32], .param .f64 wide)
            {
              .reg .b32 r<9>; .reg .b64 rd<9>; .reg .f64 d<2>; .reg .b16 h<3>;
              ld.param.u64 rd0, [p0];
              ld.param.s8 r0, [small];
              ld.param.v4.u32 {r1, r2, r3, r4}, [block+16];
              ld.param.v2.b16 {h0, h1}, [block+4];
              ld.param.f64 d0, [wide];
              cvt.s64.s32 rd1, r0; st.global.u64 [rd0], rd1;
              mov.b64 rd2, {r1, r4}; st.global.u64 [rd0+8], rd2;
              mov.b32 r5, {h0, h1}; cvt.u64.u32 rd3, r5; st.global.u64 [rd0+16], rd3;
              st.global.f64 [rd0+24], d0;
              ret;
            }
            """;
        using var memory = new GlobalMemory();
        using PtxProgram program = PtxProgram.Load(Llama4Kernels.PtxEmulator.Parsing.PtxModule.Parse(text), memory);
        PtxKernel kernel = program.Kernel("k")!;
        Assert.Equal([0, 8, 16, 48], kernel.Parameters.Select(parameter => parameter.Offset));
        nint output = memory.Allocate(32);
        byte[] parameters = new byte[kernel.ParameterBytes];
        BitConverter.TryWriteBytes(parameters, (ulong)output);
        parameters[8] = 0xFE;
        for (int i = 0; i < 32; i++)
        {
            parameters[16 + i] = (byte)i;
        }
        BitConverter.TryWriteBytes(parameters.AsSpan(48), 2.5);
        KernelLaunch.Run(kernel, new(1, 1, 1), new(1, 1, 1), 0, parameters, new LaunchOptions { Workers = 1 });
        ulong[] got = new ulong[4];
        unsafe
        {
            new ReadOnlySpan<ulong>((void*)output, 4).CopyTo(got);
        }
        Assert.Equal(["fffffffffffffffe", "1f1e1d1c13121110", "7060504", "4004000000000000"], got.Select(word => word.ToString("x", CultureInfo.InvariantCulture)));
    }

    /// <summary>Some policies, and values that assemblers put in their place.</summary>
    [Theory]
    [InlineData("createpolicy.fractional.L2::evict_first.b64 rd0;", 0x12F0000000000000)]
    [InlineData("createpolicy.fractional.L2::evict_first.b64 rd0, 1.0;", 0x12F0000000000000)]
    [InlineData("createpolicy.fractional.L2::evict_first.b64 rd0, 0.5;", 0x1270000000000000)]
    [InlineData("createpolicy.fractional.L2::evict_last.b64 rd0, 1.0;", 0x14F0000000000000)]
    public void PoliciesHaveTheirKnownValues(string instruction, long expected)
    {
        Assert.Equal((ulong)expected, InstructionRun.Threaded($"{instruction} st.global.u64 [o], rd0;", 1)[0]);
        // A policy is the last operand of copies, with a size or without.
        InstructionRun.Threaded($"{instruction} .shared .align 16 .b8 box[64]; mov.u32 r0, box; mov.u32 r1, 4; cp.async.cg.shared.global.L2::cache_hint.L2::128B [r0], [m], 16, rd0; cp.async.ca.shared.global.L2::cache_hint [r0+16], [m], 8, r1, rd0; cp.async.wait_all;", 1, data: [1, 2]);
    }

    [Fact]
    public void HintsChangeNothing()
    {
        ulong[] got = InstructionRun.Threaded("""
            .reg .b64 policy; .shared .align 16 .b8 buffer[512];
            createpolicy.fractional.L2::evict_first.b64 policy, 0.5;
            mad.wide.u32 m, t, 16, m;
            prefetch.global.L1 [m]; prefetch.global.L2 [m]; prefetchu.L1 [m]; prefetch.global.L2::evict_last [m];
            applypriority.global.L2::evict_normal [m], 128;
            ld.global.nc.L1::no_allocate.L2::cache_hint.v2.u64 {rd0, rd1}, [m], policy;
            ldu.global.u64 rd2, [m+8];
            ld.volatile.global.u64 rd3, [m]; ld.mmio.relaxed.sys.global.u32 r0, [m]; ld.acquire.gpu.global.u64 rd4, [m];
            nanosleep.u32 20; pmevent 3; pmevent.mask 5;
            membar.cta; membar.gl; membar.sys; fence.sc.gpu; fence.acq_rel.sys;
            add.u64 rd0, rd0, rd1; add.u64 rd0, rd0, rd2; add.u64 rd0, rd0, rd3; cvt.u64.u32 rd5, r0; add.u64 rd0, rd0, rd5; add.u64 rd0, rd0, rd4;
            mov.b64 policy, 0x12F0000000000000;
            st.global.L1::no_allocate.L2::cache_hint.u64 [o], rd0, policy;
            """, data: [.. s_pattern]);
        for (int lane = 0; lane < 32; lane++)
        {
            (ulong a, ulong b) = (s_pattern[2 * lane], s_pattern[(2 * lane) + 1]);
            Assert.Equal(unchecked((a * 3) + (b * 2) + (uint)a), got[lane]);
        }
    }
}
