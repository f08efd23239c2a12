namespace Llama4Kernels.Tests.PtxEmulator.Execution;

/// <summary>Functions: parameters in memory and in registers, recursion, indirect calls, calls by some lanes, branch tables.</summary>
public class CallTests
{
    private const string Store = "cvt.u64.u32 rd0, r0; st.global.u64 [o], rd0;";

    [Fact]
    public void RegistersAndVariablesAreArguments()
    {
        ulong[] got = InstructionRun.Threaded("""
            .param .b32 a0;
            st.param.b32 [a0], t;
            { .param .b64 back; call.uni (back), wide, (a0, t, 7); ld.param.u64 rd1, [back]; }
            setp.gt.u32 p0, t, 15;
            call (r1, p1, h1), narrow, (t, 3, p0, 0f40200000);
            selp.u32 r2, 100000, 0, p1; add.u32 r1, r1, r2; cvt.u32.u16 r2, h1; add.u32 r1, r1, r2;
            call nothing;
            call (_), one, (rd1);
            call (rd2), one, (rd1);
            cvt.u64.u32 rd0, r1; add.u64 rd0, rd0, rd1; add.u64 rd0, rd0, rd2; st.global.u64 [o], rd0;
            """, before: """
            .func (.param .b64 r) wide(.param .b32 a, .param .b32 b, .param .b32 c)
            {
              .reg .b32 x<4>; .reg .b64 y;
              ld.param.u32 x0, [a]; ld.param.u32 x1, [b]; ld.param.u32 x2, [c];
              mul.lo.u32 x0, x0, x1; 
              mul.wide.u32 y, x0, x2; st.param.b64 [r], y;
              ret;
            }
            .func (.reg .b32 sum, .reg .pred flag, .reg .b16 small) narrow(.reg .u32 a, .reg .u32 b, .reg .pred p, .reg .f32 f)
            {
              .reg .f32 g;
              mad.lo.u32 sum, a, b, b;
              @p add.u32 sum, sum, 500;
              not.pred flag, p;
              add.f32 g, f, f; cvt.rzi.u16.f32 small, g;
              ret;
            }
            .func nothing() { ret; }
            .func (.reg .b64 y) one(.reg .b64 x) { add.u64 y, x, 1; }
            """);
        for (ulong lane = 0; lane < 32; lane++)
        {
            ulong wide = lane * lane * 7;
            ulong narrow = (lane * 3) + 3 + (lane > 15 ? 500ul : 100_000) + 5;
            Assert.Equal(narrow + wide + wide + 1, got[lane]);
        }
    }

    [Theory]
    [InlineData(".reg .u32", "call (r0), fib, (t);", "call (s), fib, (n1);", "")]
    [InlineData(".param .u32", "{ .param .u32 v, w0; st.param.u32 [v], t; call (w0), fib, (v); ld.param.u32 r0, [w0]; }", "{ .param .u32 v, w0; st.param.u32 [v], n1; call (w0), fib, (v); ld.param.u32 s, [w0]; }", "ld.param")]
    public void RecursionOfDifferentDepths(string kind, string first, string inner, string load)
    {
        bool memory = load.Length > 0;
        ulong[] got = InstructionRun.Threaded($"rem.u32 t, t, 11; {first} {Store}", before: $$"""
            .func ({{kind}} result) fib({{kind}} n)
            {
              .reg .u32 m, n1, s, total; .reg .pred p;
              {{(memory ? "ld.param.u32 m, [n];" : "mov.u32 m, n;")}}
              setp.lt.u32 p, m, 2;
              mov.u32 total, m;
              @p bra DONE;
              sub.u32 n1, m, 1; {{inner}} mov.u32 total, s;
              sub.u32 n1, m, 2; {{inner}} add.u32 total, total, s;
            DONE:
              {{(memory ? "st.param.u32 [result], total;" : "mov.u32 result, total;")}}
              ret;
            }
            """);
        int[] fibonacci = [0, 1, 1, 2, 3, 5, 8, 13, 21, 34, 55];
        Assert.Equal(Enumerable.Range(0, 32).Select(i => (ulong)fibonacci[i % 11]), got);
    }

    private const string Functions = """
        .func (.reg .u32 y) fn0(.reg .u32 x) { add.u32 y, x, 1000; ret; }
        .func (.reg .u32 y) fn1(.reg .u32 x) { mul.lo.u32 y, x, 3; ret; }
        .func (.reg .u32 y) fn2(.reg .u32 x) { sub.u32 y, 5000, x; ret; }
        """;

    [Fact]
    public void LanesCallDifferentFunctions()
    {
        ulong[] got = InstructionRun.Threaded($"""
            rem.u32 r1, t, 3;
            mul.wide.u32 rd1, r1, 8; mov.u64 rd2, handles; add.u64 rd2, rd2, rd1; ld.global.u64 rd3, [rd2];
            mov.u32 r0, 77; setp.lt.u32 p0, t, 30;
            PROTO: .callprototype (.reg .u32 _) _ (.reg .u32 _);
            @p0 call (r0), rd3, (t), PROTO;
            mov.u64 rd4, fn2; call (r2), rd4, (1), PROTO; add.u32 r0, r0, r2;
            {Store}
            """, before: Functions + ".global .u64 handles[3] = {fn0, fn1, fn2};");
        Assert.Equal(Enumerable.Range(0, 32).Select(i => 4999ul + (i >= 30 ? 77 : (i % 3) switch { 0 => i + 1000, 1 => i * 3, _ => 5000 - i } is int value ? (ulong)value : 0)), got);
    }

    [Fact]
    public void SomeLanesReturnEarly()
    {
        ulong[] got = InstructionRun.Threaded($"""
            setp.lt.u32 p0, t, 20; mov.u32 r0, 9;
            @p0 call (r0), early, (t);
            add.u32 r0, r0, 1;
            {Store}
            """, before: """
            .func (.reg .u32 y) early(.reg .u32 x)
            {
              .reg .pred p; .reg .u32 n;
              mov.u32 y, 100;
              setp.lt.u32 p, x, 10;
              @p ret;
              mov.u32 n, x;
            AGAIN:
              add.u32 y, y, 10; sub.u32 n, n, 1; setp.gt.u32 p, n, 10; @p bra AGAIN;
              ret;
            }
            """);
        Assert.Equal(Enumerable.Range(0, 32).Select(i => (ulong)(1 + (i < 10 ? 100 : i >= 20 ? 9 : 100 + (10 * Math.Max(1, i - 10))))), got);
    }

    [Fact]
    public void BranchTables()
    {
        ulong[] got = InstructionRun.Threaded($"""
            and.b32 r1, t, 3; mov.u32 r0, 7;
            setp.lt.u32 p0, t, 28;
            TABLE: .branchtargets A, B, C, B;
            @p0 brx.idx r1, TABLE;
            mov.u32 r0, 999; bra END;
            A: add.u32 r0, r0, 1; bra END;
            B: add.u32 r0, r0, 20; bra END;
            C: add.u32 r0, r0, 300;
            END: add.u32 r0, r0, t;
            {Store}
            """);
        Assert.Equal(Enumerable.Range(0, 32).Select(i => (ulong)(i + (i >= 28 ? 999 : 7 + (i % 4) switch { 0 => 1, 2 => 300, _ => 20 }))), got);
    }
}
