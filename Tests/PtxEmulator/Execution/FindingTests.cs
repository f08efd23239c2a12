using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.PtxEmulator.Execution;
using Llama4Kernels.PtxEmulator.Findings;
using Llama4Kernels.PtxEmulator.Parsing;

namespace Llama4Kernels.Tests.PtxEmulator.Execution;

/// <summary>Each kind of mistake is found at its line and thread; the marked line is the one to be named.</summary>
public class FindingTests
{
    private const string Shared = ".shared .align 16 .b8 box[1024]; .local .align 16 .b8 stack[64]; mov.u32 r10, box; mov.u32 r11, stack; mov.u64 rd10, box; mov.u64 rd11, stack;\n";

    private static readonly ulong[] s_data = new ulong[4];

    private static void Check(PtxFindingKind kind, int thread, string body, int threads = 32, int blocks = 1, LaunchOptions? options = null, int block = 0)
    {
        PtxFinding finding = InstructionRun.Finding(Shared + body, threads, blocks, options, "", [.. s_data]);
        Assert.True((kind, thread, block) == (finding.Kind, finding.Thread, finding.Block.X), finding.ToString());
        Assert.Contains("//!", body, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0, "ld.global.u32 r0, [m+32]; //!")]
    [InlineData(0, "ld.global.u64 rd0, [m-8]; //!")]
    [InlineData(0, "ld.global.v2.u64 {rd0, rd1}, [m+32]; //!")]
    [InlineData(0, "mov.u64 rd0, 0; ld.global.u32 r0, [rd0]; //!")]
    [InlineData(0, "mov.u64 rd0, 0; st.global.u32 [rd0], 5; //!")]
    [InlineData(0, "mov.u64 rd0, 16; ld.u32 r0, [rd0]; //!")]
    [InlineData(17, "setp.eq.u32 p0, t, 17; selp.u64 rd0, 4096, 0, p0; add.u64 rd0, rd0, m; ld.global.u32 r0, [rd0]; //!")]
    [InlineData(4, "mul.wide.u32 rd0, t, 8; add.u64 rd0, rd0, m; st.global.u64 [rd0], rd0; //!")]
    [InlineData(3, "mul.wide.u32 rd0, t, 8; add.u64 rd0, rd0, m; atom.global.add.u64 rd1, [rd0+8], 1; //!")]
    [InlineData(0, "red.global.add.u32 [m+32], 1; //!")]
    [InlineData(0, "st.shared.u32 [r10+1024], t; //!")]
    [InlineData(31, "mad.lo.u32 r0, t, 32, r10; st.shared.v4.u32 [r0+32], {t, t, t, t}; //!")]
    [InlineData(0, "ld.shared.u32 r0, [r10-4]; //!")]
    [InlineData(0, "mov.u32 r0, 100000; atom.shared.add.u32 r1, [r0], 1; //!")]
    [InlineData(0, "cvta.shared.u64 rd0, rd10; st.u32 [rd0+2048], 5; //!")]
    [InlineData(0, "st.local.u32 [r11+65536], t; //!")]
    [InlineData(0, "ld.local.u32 r0, [r11-4]; //!")]
    [InlineData(0, "mov.u64 rd0, arg0; ld.param.u64 rd1, [rd0+16]; //!")]
    [InlineData(0, "mov.u64 rd0, arg0; cvta.param.u64 rd0, rd0; st.u64 [rd0], rd0; //!")]
    [InlineData(0, "mov.u64 rd0, 0x7700000000000000; ld.u32 r0, [rd0]; //!")]
    [InlineData(3, "T: .branchtargets A, A, A; brx.idx t, T; //!\nA: nanosleep.u32 1;")]
    [InlineData(0, "P: .callprototype _ (); mov.u64 rd0, 77; call rd0, (), P; //!")]
    [InlineData(0, "cp.async.ca.shared.global [r10+1024], [m], 4; //!")]
    [InlineData(0, "cp.async.ca.shared.global [r10], [m+32], 4; //!")]
    [InlineData(0, "mov.u32 r0, 16; bar.sync r0; //!")]
    [InlineData(0, "mbarrier.init.shared.b64 [r10], 0; //!")]
    public void AccessesOutOfBounds(int thread, string body) => Check(PtxFindingKind.OutOfBounds, thread, body);

    [Theory]
    [InlineData("ld.global.u16 r0, [m+1]; //!")]
    [InlineData("ld.global.u32 r0, [m+2]; //!")]
    [InlineData("ld.global.u64 rd0, [m+4]; //!")]
    [InlineData("ld.global.v2.u64 {rd0, rd1}, [m+8]; //!")]
    [InlineData("ld.global.v2.u32 {r0, r1}, [m+4]; //!")]
    [InlineData("ld.global.b128 q0, [m+8]; //!")]
    [InlineData("st.global.u16 [m+1], r10; //!")]
    [InlineData("st.global.v4.u32 [m+8], {t, t, t, t}; //!")]
    [InlineData("st.shared.u16 [r10+1], t; //!")]
    [InlineData("st.shared.u32 [r10+2], t; //!")]
    [InlineData("st.shared.u64 [r10+4], rd10; //!")]
    [InlineData("ld.shared.v4.f32 {f0, f1, f2, f3}, [r10+8]; //!")]
    [InlineData("st.local.u32 [r11+2], t; //!")]
    [InlineData("st.local.v2.u64 [r11+8], {rd10, rd10}; //!")]
    [InlineData("atom.global.add.u64 rd0, [m+4], 1; //!")]
    [InlineData("atom.shared.cas.b16 h0, [r10+1], 1, 2; //!")]
    [InlineData("cp.async.cg.shared.global [r10+8], [m], 16; //!")]
    [InlineData("cp.async.cg.shared.global [r10], [m+8], 16; //!")]
    [InlineData("cvta.local.u64 rd0, rd11; st.u64 [rd0+4], rd0; //!")]
    [InlineData("mov.u64 rd0, arg0; ld.param.u64 rd1, [rd0+4]; //!")]
    public void AccessesThatAreNotAligned(string body) => Check(PtxFindingKind.Misaligned, 0, body);

    [Theory]
    [InlineData(0, "add.u32 r0, r1, 1; //!")]
    [InlineData(5, "setp.ne.u32 p0, t, 5; @p0 mov.u32 r1, 7; add.u32 r0, r1, 1; //!")]
    [InlineData(8, "setp.lt.u32 p0, t, 8; @!p0 bra A; mov.f32 f1, 0f00000000; A: abs.f32 f0, f1; //!")]
    [InlineData(0, "mov.pred p4, p3; //!")]
    [InlineData(0, "st.global.u64 [m], rd5; //!")]
    [InlineData(0, "ld.shared.u32 r0, [r10]; //!")]
    [InlineData(1, "setp.eq.u32 p0, t, 0; @p0 st.shared.u32 [r10], 7; mad.lo.u32 r0, t, 4, r10; ld.shared.u32 r1, [r0]; //!")]
    [InlineData(0, "st.shared.v2.u32 [r10], {r10, r10}; bar.warp.sync -1; ld.shared.v4.u32 {r0, r1, r2, r3}, [r10]; //!")]
    [InlineData(0, "ld.local.u32 r0, [r11+4]; //!")]
    [InlineData(0, "st.local.u16 [r11], t; ld.local.u32 r0, [r11]; //!")]
    [InlineData(0, "mbarrier.arrive.shared.b64 rd0, [r10]; //!")]
    [InlineData(0, ".reg .b64 policy; ld.global.L2::cache_hint.u32 r0, [m], policy; //!")]
    [InlineData(0, ".reg .b64 policy; mov.u32 r0, 8; cp.async.cg.shared.global.L2::cache_hint [r10], [m], 16, r0, policy; //!")]
    [InlineData(0, ".reg .b64 policy; createpolicy.fractional.L2::evict_last.b64 policy, f1; //!")]
    public void WhatNobodyWrote(int thread, string body) => Check(PtxFindingKind.Uninitialised, thread, body);

    [Fact]
    public void GlobalBytesThatNobodyWrote()
    {
        using var memory = new GlobalMemory();
        using PtxProgram program = PtxProgram.Load(PtxModule.Parse(InstructionRun.Kernel(1, """
            .reg .b32 t, r<3>; .reg .b64 m, rd<2>; .reg .pred p;
            mov.u32 t, %tid.x; ld.param.u64 m, [arg0]; mul.wide.u32 rd0, t, 4; add.u64 rd0, m, rd0;
            setp.ne.u32 p, t, 9;
            @p st.global.u32 [rd0], t;
            ld.global.u32 r0, [rd0];
            ret;
            """)), memory);
        nint place = memory.Allocate(128);
        PtxFinding finding = Assert.Throws<PtxFindingException>(() => KernelLaunch.Run(program.Kernel("k")!, new CudaDim3(1, 1, 1), new CudaDim3(32, 1, 1), 0, BitConverter.GetBytes((long)place), new LaunchOptions { Workers = 1 })).Finding;
        Assert.Equal((PtxFindingKind.Uninitialised, 9, 11), (finding.Kind, finding.Thread, finding.Line));
    }

    [Theory]
    [InlineData(1, "st.shared.u32 [r10], t; //!")]
    [InlineData(63, "mad.lo.u32 r0, t, 4, r10; st.shared.u32 [r0], t; xor.b32 r1, t, 63; mad.lo.u32 r1, r1, 4, r10; setp.gt.u32 p0, t, 62; bar.warp.sync -1; @p0 ld.shared.u32 r2, [r1]; //!")]
    [InlineData(0, "mad.lo.u32 r0, t, 4, r10; st.shared.u32 [r0], t; xor.b32 r1, t, 1; mad.lo.u32 r1, r1, 4, r10; ld.shared.u32 r2, [r1]; //!")]
    [InlineData(0, "setp.lt.u32 p0, t, 1; @p0 st.shared.u32 [r10], 5; bar.sync 0; setp.lt.u32 p1, t, 32; @p1 ld.shared.u32 r2, [r10]; setp.eq.u32 p2, t, 32; @p2 st.shared.u32 [r10], 6; //!")]
    [InlineData(1, "setp.lt.u32 p0, t, 1; @p0 st.shared.u32 [r10], 5; bar.sync 0; ld.shared.u32 r2, [r10]; setp.eq.u32 p2, t, 1; @p2 st.shared.u32 [r10], 6; //!")]
    [InlineData(1, "setp.lt.u32 p0, t, 1; @p0 st.shared.u32 [r10], 5; bar.sync 0; setp.eq.u32 p2, t, 1; @p2 atom.shared.add.u32 r2, [r10], 6; setp.eq.u32 p3, t, 32; @p3 ld.shared.u32 r3, [r10]; //!")]
    [InlineData(32, "setp.lt.u32 p0, t, 1; @p0 st.shared.u32 [r10], 5; setp.ge.u32 p1, t, 32; @!p1 bar.arrive 1, 64; @p1 bar.arrive 2, 64; @p1 ld.shared.u32 r0, [r10]; //!")]
    [InlineData(0, "mad.lo.u32 r0, t, 4, r10; cp.async.ca.shared.global [r0], [m], 4; cp.async.wait_all; xor.b32 r1, t, 1; mad.lo.u32 r1, r1, 4, r10; ld.shared.u32 r2, [r1]; //!")]
    [InlineData(32, "setp.lt.u32 p0, t, 1; @p0 st.shared.u32 [r10], 5; @p0 st.volatile.shared.u32 [r10+4], 1; setp.eq.u32 p1, t, 32; @p1 ld.volatile.shared.u32 r1, [r10+4]; fence.acq_rel.cta; @p1 ld.shared.u32 r0, [r10]; //!")]
    public void Races(int thread, string body) => Check(PtxFindingKind.Race, thread, body, 64);

    [Theory]
    [InlineData("mad.lo.u32 r0, t, 4, r10; st.shared.u32 [r0], t; bar.sync 0; xor.b32 r1, t, 63; mad.lo.u32 r1, r1, 4, r10; ld.shared.u32 r2, [r1]; bar.sync 0; st.shared.u32 [r1], r2; bar.sync 0; ld.shared.u32 r3, [r0];")]
    [InlineData("mad.lo.u32 r0, t, 4, r10; st.shared.u32 [r0], t; bar.warp.sync -1; xor.b32 r1, t, 31; mad.lo.u32 r1, r1, 4, r10; ld.shared.u32 r2, [r1]; bar.warp.sync -1; st.shared.u32 [r1], r2;")]
    [InlineData("setp.lt.u32 p0, t, 32; @p0 st.shared.u32 [r10], 77;")]
    [InlineData("mad.lo.u32 r0, t, 4, r10; st.shared.u32 [r0], t; ld.shared.u32 r1, [r0]; add.u32 r1, r1, 1; st.shared.u32 [r0], r1;")]
    [InlineData("mad.lo.u32 r0, t, 1, r10; st.shared.u8 [r0], t; ld.shared.u8 r1, [r0];")]
    [InlineData("setp.eq.u32 p0, t, 0; @p0 st.shared.u32 [r10], 0; bar.sync 0; red.shared.add.u32 [r10], 1; atom.shared.max.u32 r1, [r10], t; bar.sync 0; ld.shared.u32 r0, [r10];")]
    [InlineData("mad.lo.u32 r0, t, 4, r10; cp.async.ca.shared.global [r0], [m], 4; cp.async.wait_all; bar.sync 0; xor.b32 r1, t, 63; mad.lo.u32 r1, r1, 4, r10; ld.shared.u32 r2, [r1]; bar.sync 0; cp.async.ca.shared.global [r0], [m], 4; cp.async.wait_all;")]
    [InlineData("setp.lt.u32 p0, t, 32; mad.lo.u32 r0, t, 4, r10; @!p0 bra C; st.shared.u32 [r0], t; bar.arrive 1, 64; bra E; C: bar.sync 1, 64; ld.shared.u32 r1, [r0-128]; E: nanosleep.u32 1;")]
    [InlineData("setp.eq.u32 p0, t, 0; @p0 st.shared.u32 [r10+4], 0; bar.sync 0; @p0 st.shared.u32 [r10], 5; fence.acq_rel.cta; @p0 atom.release.cta.shared.exch.b32 r5, [r10+4], 1; setp.lt.u32 p1, t, 32; @p1 bra E; A: ld.acquire.cta.shared.u32 r1, [r10+4]; setp.eq.u32 p2, r1, 0; @p2 bra A; ld.shared.u32 r0, [r10]; E: nanosleep.u32 1;")]
    [InlineData("mov.u32 r0, 1; @p0 add.u32 r0, r1, 1; nanosleep.u32 r0;", "mov.u32 r1, 1; setp.eq.u32 p0, t, 0; ")]
    public void CorrectKernelsHaveNoFindings(string body, string before = "")
    {
        foreach (int seed in new[] { 0, 1, 2 })
        {
            foreach (AsyncArrival arrival in new[] { AsyncArrival.Late, AsyncArrival.Early })
            {
                InstructionRun.Threaded(Shared + before + body, 64, 2, new LaunchOptions { Workers = 1, Seed = seed, AsyncCopies = arrival }, data: [.. s_data]);
            }
        }
    }

    [Theory]
    [InlineData("mad.lo.u32 r0, t, 16, r10; cp.async.cg.shared.global [r0], [m], 16; ld.shared.u32 r1, [r0]; //!")]
    [InlineData("mad.lo.u32 r0, t, 16, r10; cp.async.cg.shared.global [r0], [m], 16; cp.async.commit_group; cp.async.wait_group 1; ld.shared.u32 r1, [r0+12]; //!")]
    [InlineData("mad.lo.u32 r0, t, 16, r10; cp.async.ca.shared.global [r0], [m], 4; cp.async.commit_group; cp.async.ca.shared.global [r0+4], [m], 4; cp.async.commit_group; cp.async.wait_group 1; ld.shared.u32 r1, [r0]; ld.shared.u32 r1, [r0+4]; //!")]
    [InlineData("mad.lo.u32 r0, t, 16, r10; cp.async.ca.shared.global [r0], [m], 4; cp.async.commit_group; cp.async.ca.shared.global [r0+4], [m], 4; cp.async.wait_group 0; ld.shared.u32 r1, [r0+4]; //!")]
    [InlineData("mad.lo.u32 r0, t, 16, r10; cp.async.ca.shared.global [r0], [m], 4; st.shared.u32 [r0], 5; //!")]
    [InlineData("mad.lo.u32 r0, t, 16, r10; cp.async.ca.shared.global [r0], [m], 4; bar.sync 0; atom.shared.add.u32 r1, [r0], 5; //!")]
    public void CopiesThatAreNotWaitedFor(string body)
    {
        Check(PtxFindingKind.MissingWait, 0, body, options: new LaunchOptions { Workers = 1, AsyncCopies = AsyncArrival.Late });
        Check(PtxFindingKind.MissingWait, 0, body, options: new LaunchOptions { Workers = 1, AsyncCopies = AsyncArrival.Early });
    }

    [Theory]
    [InlineData(16, "setp.lt.u32 p0, t, 16; @p0 bra A; shfl.sync.idx.b32 r0, t, 0, 31, 0x0000ffff; //!\nA: nanosleep.u32 1;")]
    [InlineData(1, "setp.eq.u32 p19, t, 0; add.u32 r1, t, 1; vote.sync.ballot.b32 r0, p19, r1; //!")]
    [InlineData(4, "setp.lt.u32 p0, t, 4; @!p0 redux.sync.add.u32 r0, t, 0xfffffff0; @!p0 shfl.sync.idx.b32 r1, t, 0, 31, 0xfffffff0; //!")]
    [InlineData(3, "setp.lt.u32 p0, t, 3; @p0 exit; shfl.sync.down.b32 r0, t, 0, 31, -1; shfl.sync.idx.b32 r0, t, 2, 31, -1; //!")]
    [InlineData(0, "setp.lt.u32 p0, t, 16; @p0 movmatrix.sync.aligned.m8n8.trans.b16 r0, t; //!")]
    [InlineData(0, "setp.lt.u32 p0, t, 16; @p0 bar.sync 0; //!")]
    [InlineData(0, "bar.sync 1, 33; //!")]
    [InlineData(0, "setp.lt.u32 p0, t, 16; @p0 bra.uni A; //!\n nanosleep.u32 1; A: nanosleep.u32 1;")]
    [InlineData(16, "setp.lt.u32 p0, t, 16; @!p0 bra.uni A; //!\n nanosleep.u32 1; A: nanosleep.u32 1;")]
    [InlineData(1, "setp.eq.u32 p1, t, 1; setp.lt.u32 p0, t, 16; @!p0 bra B; @p1 bra.uni A; //!\n nanosleep.u32 1; A: nanosleep.u32 1; B: nanosleep.u32 1;")]
    [InlineData(2, "mov.u32 r0, 0; A: add.u32 r0, r0, 1; setp.lt.u32 p0, r0, t; @p0 bra.uni A; //!\n")]
    [InlineData(0, "T: .branchtargets A, B; and.b32 r0, t, 1; brx.idx.uni r0, T; //!\nA: nanosleep.u32 1; B: nanosleep.u32 1;")]
    [InlineData(7, "setp.eq.u32 p0, t, 7; @p0 ret.uni; //!\n")]
    public void LanesThatAreNotTogether(int thread, string body) => Check(PtxFindingKind.Divergence, thread, body);

    /// <summary>Lanes that are not there, or on another way, do not count.</summary>
    [Theory]
    [InlineData("setp.lt.u32 p0, t, 99; @p0 bra.uni A; trap; A: @!p0 bra.uni B; nanosleep.u32 1; B: nanosleep.u32 1;")]
    [InlineData("setp.lt.u32 p0, t, 16; @!p0 bra B; @p0 bra.uni A; trap; A: nanosleep.u32 1; B: nanosleep.u32 1;")]
    [InlineData("setp.lt.u32 p0, t, 32; @p0 bra.uni A; nanosleep.u32 1; A: nanosleep.u32 1;")]
    [InlineData("T: .branchtargets A, B; shr.u32 r0, t, 5; brx.idx.uni r0, T; trap; A: nanosleep.u32 1; B: nanosleep.u32 1;")]
    public void UniformBranchesHaveNoFindings(string body) => InstructionRun.Threaded(Shared + body, 64, 2, data: [.. s_data]);

    [Theory]
    [InlineData(0, "trap; //!")]
    [InlineData(12, "setp.eq.u32 p0, t, 12; @p0 trap; //!")]
    [InlineData(0, "setp.eq.u32 p0, t, 0; @p0 mbarrier.init.shared.b64 [r10], 4; bar.warp.sync -1; @p0 mbarrier.init.shared.b64 [r10], 4; //!")]
    [InlineData(0, "setp.eq.u32 p0, t, 0; @p0 mbarrier.init.shared.b64 [r10], 4; bar.warp.sync -1; @p0 mbarrier.arrive.shared.b64 rd0, [r10], 5; //!")]
    [InlineData(0, ".reg .b64 policy; mov.b64 policy, 77; ld.global.L2::cache_hint.u32 r0, [m], policy; //!")]
    [InlineData(9, ".reg .b64 policy; createpolicy.fractional.L2::evict_first.b64 policy, 1.0; setp.eq.u32 p0, t, 9; @p0 mov.b64 policy, m; st.global.L2::cache_hint.u64 [o], o, policy; //!")]
    [InlineData(0, ".reg .b64 policy; mov.b64 policy, m; cp.async.cg.shared.global.L2::cache_hint [r10], [m], 16, policy; //!")]
    [InlineData(0, ".reg .b64 policy; mov.b32 f0, 0f40000000; createpolicy.fractional.L2::evict_first.b64 policy, f0; //!")]
    [InlineData(0, ".reg .b64 policy; mov.u32 r0, 64; createpolicy.range.global.L2::evict_last.L2::evict_first.b64 policy, [m], r0, 32; //!")]
    public void Traps(int thread, string body) => Check(PtxFindingKind.Trap, thread, body);

    [Fact]
    public void TheBlockIsNamed() => Check(PtxFindingKind.OutOfBounds, 7, "mov.u32 r0, %ctaid.x; setp.eq.u32 p0, r0, 2; setp.eq.and.u32 p0, t, 7, p0; @p0 ld.global.u32 r0, [m+4096]; //!", blocks: 4, block: 2);

    [Fact]
    public void ACallBeyondTheStackIsFound()
    {
        PtxFinding finding = InstructionRun.Finding("call (r0), deep, (t);", before: """
            .func (.reg .u32 y) deep(.reg .u32 x)
            {
              .local .b8 frame[4096]; .reg .u32 z;
              add.u32 z, x, 1;
              call (y), deep, (z); //!
              ret;
            }
            """);
        Assert.Equal(PtxFindingKind.OutOfBounds, finding.Kind);
        Assert.Contains("stack", finding.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ACallWithOtherArgumentsIsFound()
    {
        PtxFinding finding = InstructionRun.Finding("P: .callprototype (.reg .u32 _) _ (.reg .u32 _, .reg .u32 _); mov.u64 rd0, one; call (r0), rd0, (t, t), P; //!", before: ".func (.reg .u32 y) one(.reg .u32 x) { mov.u32 y, x; ret; }");
        Assert.Equal(PtxFindingKind.Trap, finding.Kind);
    }
}
