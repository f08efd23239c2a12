using Llama4Kernels.PtxEmulator.Execution;
using Llama4Kernels.PtxEmulator.Findings;

namespace Llama4Kernels.Tests.PtxEmulator.Execution;

/// <summary>Lanes, warps and blocks that go different ways and wait for each other.</summary>
public class DivergenceTests
{
    private const string Store = "cvt.u64.u32 rd0, r0; st.global.u64 [o], rd0;";

    private static LaunchOptions Seed(int seed) => new() { Workers = 1, Seed = seed };

    private static void Equal(Func<int, int> expected, ulong[] got) => Assert.Equal(Enumerable.Range(0, got.Length).Select(i => (ulong)(uint)expected(i)), got);

    [Theory]
    [InlineData(0)]
    [InlineData(7)]
    public void NestsOfBranchesAndLoopsMeetAgain(int seed)
    {
        // Lanes are counted after each part: all must be back together.
        ulong[] got = InstructionRun.Threaded($$"""
            mov.u32 r0, 0; mov.u32 r1, 0;
            LOOP:
              and.b32 r2, t, 7; setp.ge.u32 p0, r1, r2; @p0 bra AFTER;
              and.b32 r3, r1, 1; setp.eq.u32 p1, r3, 0;
              @p1 bra EVEN;
                mov.u32 r4, 0;
                INNER: add.u32 r0, r0, r1; add.u32 r4, r4, 1; setp.lt.u32 p2, r4, t; @p2 bra INNER;
                bra NEXT;
              EVEN:
                setp.gt.u32 p3, t, 20; @p3 bra HIGH;
                add.u32 r0, r0, 100; bra NEXT;
                HIGH: setp.eq.u32 p4, t, 25; @p4 bra NEXT; add.u32 r0, r0, 1000;
              NEXT:
              add.u32 r1, r1, 1;
              bra LOOP;
            AFTER:
            activemask.b32 r5; setp.ne.u32 p5, r5, -1; @p5 add.u32 r0, r0, 0x1000000;
            {{Store}}
            """, 64, options: Seed(seed));
        Equal(thread =>
        {
            int sum = 0;
            for (int i = 0; i < (thread & 7); i++)
            {
                sum += i % 2 == 1 ? i * Math.Max(1, thread) : thread > 20 ? (thread == 25 ? 0 : 1000) : 100;
            }
            return sum;
        }, got);
    }

    [Fact]
    public void LanesThatExitAreNotWaitedFor()
    {
        ulong[] got = InstructionRun.Threaded("""
            mov.u32 r0, 0; mov.u32 r1, 0; st.global.u64 [o], 1;
            LOOP:
              setp.eq.u32 p0, r1, t;
              @p0 exit;
              add.u32 r1, r1, 1;
              vote.sync.ballot.b32 r2, p0, -1;
              popc.b32 r2, r2; add.u32 r0, r0, 1;
              cvt.u64.u32 rd0, r0; st.global.u64 [o], rd0;
              setp.lt.u32 p1, r1, 40; @p1 bra LOOP;
            """);
        Equal(thread => thread == 0 ? 1 : thread, got);
    }

    [Fact]
    public void ALockIsHandedFromLaneToLane()
    {
        // The lane that has the lock waits at no join for those that want it.
        ulong[] data = [0, 0];
        InstructionRun.Threaded("""
            AGAIN:
              atom.acquire.gpu.global.cas.b32 r1, [m], 0, 1;
              setp.ne.u32 p0, r1, 0;
              @p0 bra AGAIN;
            ld.global.u64 rd1, [m+8]; add.u64 rd1, rd1, 3; st.global.u64 [m+8], rd1;
            atom.release.gpu.global.exch.b32 r2, [m], 0;
            st.global.u64 [o], rd1;
            """, 8, data: data);
        Assert.Equal([0, 24ul], data);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    [InlineData(11)]
    public void AFlagHandsDataFromWarpToWarp(int seed)
    {
        ulong[] got = InstructionRun.Threaded($"""
            .shared .u32 flag; .shared .align 4 .b8 box[128];
            mov.u32 r0, 0; and.b32 r7, t, 31; mov.u32 r5, box; mad.lo.u32 r5, r7, 4, r5;
            setp.eq.u32 p0, t, 0; @p0 st.shared.u32 [flag], 0;
            bar.sync 0;
            setp.ge.u32 p1, t, 32; @p1 bra CONSUMER;
              mad.lo.u32 r1, t, 5, 9; st.shared.u32 [r5], r1;
              bar.warp.sync -1;
              membar.cta;
              @p0 st.volatile.shared.u32 [flag], 1;
              bra END;
            CONSUMER:
              POLL: ld.volatile.shared.u32 r2, [flag]; setp.eq.u32 p2, r2, 0; @p2 bra POLL;
              fence.acq_rel.cta;
              ld.shared.u32 r0, [r5];
            END: {Store}
            """, 64, options: Seed(seed));
        Equal(thread => thread < 32 ? 0 : ((thread - 32) * 5) + 9, got);
    }

    [Fact]
    public void BlocksWaitForLaterBlocks()
    {
        ulong[] data = new ulong[16];
        ulong[] got = InstructionRun.Threaded("""
            mov.u32 r1, %ctaid.x; mul.wide.u32 rd1, r1, 8; add.u64 rd1, m, rd1;
            setp.eq.u32 p0, r1, 15; @p0 bra GO;
            POLL: ld.acquire.gpu.global.u64 rd2, [rd1+8]; setp.eq.u64 p1, rd2, 0; @p1 bra POLL;
            bra DONE;
            GO: mov.u64 rd2, 0;
            DONE: add.u64 rd2, rd2, 1;
            bar.sync 0;
            setp.eq.u32 p2, t, 0; @p2 st.release.gpu.global.u64 [rd1], rd2;
            st.global.u64 [o], rd2;
            """, 32, 16, data: data);
        Equal(thread => 16 - (thread / 32), got);
        Assert.Equal(Enumerable.Range(0, 16).Select(i => (ulong)(16 - i)), data);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(5)]
    public void WarpsThatEndedAreNotWaitedForAtBarriers(int seed)
    {
        ulong[] got = InstructionRun.Threaded("""
            .shared .align 4 .b8 box[512];
            st.global.u64 [o], 0;
            mov.u32 r1, box; mad.lo.u32 r1, t, 4, r1; st.shared.u32 [r1], t;
            setp.ge.u32 p0, t, 64; @p0 exit;
            bar.sync 0;
            xor.b32 r2, t, 32; mov.u32 r3, box; mad.lo.u32 r3, r2, 4, r3; ld.shared.u32 r4, [r3];
            bar.sync 0;
            cvt.u64.u32 rd0, r4; st.global.u64 [o], rd0;
            """, 128, options: Seed(seed));
        Equal(thread => thread < 64 ? thread ^ 32 : 0, got);
    }

    [Fact]
    public void HalfAWarpMeetsAtAnUnalignedBarrier()
    {
        ulong[] got = InstructionRun.Threaded($"""
            mov.u32 r0, 0; setp.lt.u32 p0, t, 16;
            @p0 bra LOW;
            barrier.sync 0; mov.u32 r0, 2; bra END;
            LOW: barrier.sync 0; mov.u32 r0, 1;
            END: barrier.sync 0; {Store}
            """, 64);
        Equal(thread => thread < 16 ? 1 : 2, got);
    }

    [Fact]
    public void LanesThatExitOpenAnUnalignedBarrier()
    {
        ulong[] got = InstructionRun.Threaded($"""
            setp.lt.u32 p0, t, 16; mov.u32 r0, 4; {Store}
            @p0 bra STAY;
            nanosleep.u32 5; exit;
            STAY: barrier.sync 0; mov.u32 r0, 5; {Store}
            """);
        Equal(thread => thread < 16 ? 5 : 4, got);
    }

    [Fact]
    public void AGuardedBarrierStopsOnlyItsLanes()
    {
        ulong[] got = InstructionRun.Threaded($"""
            setp.lt.u32 p0, t, 16; mov.u32 r0, 4;
            @p0 barrier.sync 1, 32;
            @!p0 barrier.sync 1, 32;
            @p0 mov.u32 r0, 5; {Store}
            """, 32);
        Equal(thread => thread < 16 ? 5 : 4, got);
    }

    [Fact]
    public void NamedBarriersOfProducersAndConsumers()
    {
        ulong[] got = InstructionRun.Threaded($"""
            .shared .align 4 .b8 box[128];
            and.b32 r1, t, 31; mov.u32 r2, box; mad.lo.u32 r2, r1, 4, r2; mov.u32 r0, 0; mov.u32 r9, 0;
            setp.ge.u32 p0, t, 32; @p0 bra CONSUMER;
              PRODUCE:
              add.u32 r3, t, r9; st.shared.u32 [r2], r3;
              bar.arrive 1, 64; bar.sync 2, 64;
              add.u32 r9, r9, 100; setp.lt.u32 p1, r9, 500; @p1 bra PRODUCE;
              bra END;
            CONSUMER:
              xor.b32 r4, r1, 1; mov.u32 r5, box; mad.lo.u32 r5, r4, 4, r5;
              CONSUME:
              bar.sync 1, 64; ld.shared.u32 r6, [r5]; add.u32 r0, r0, r6; bar.arrive 2, 64;
              add.u32 r9, r9, 100; setp.lt.u32 p1, r9, 500; @p1 bra CONSUME;
            END: {Store}
            """, 64);
        Equal(thread => thread < 32 ? 0 : (5 * ((thread - 32) ^ 1)) + 1000, got);
    }

    [Fact]
    public void AMemoryBarrierCountsArrivals()
    {
        ulong[] got = InstructionRun.Threaded($"""
            .shared .align 8 .b64 bar; .shared .align 4 .b8 box[256];
            mov.u32 r1, bar; setp.eq.u32 p0, t, 0; @p0 mbarrier.init.shared.b64 [r1], 64;
            bar.sync 0;
            mov.u32 r9, 0; mov.u32 r0, 0; mov.u32 r2, box; mad.lo.u32 r3, t, 4, r2; xor.b32 r4, t, 63; mad.lo.u32 r4, r4, 4, r2;
            LOOP:
              add.u32 r5, t, r9; st.shared.u32 [r3], r5;
              mbarrier.arrive.shared.b64 rd1, [r1];
              WAIT: mbarrier.test_wait.shared.b64 p1, [r1], rd1; @!p1 bra WAIT;
              ld.shared.u32 r6, [r4]; add.u32 r0, r0, r6;
              mbarrier.pending_count.b64 r7, rd1; setp.eq.u32 p3, r7, 0; @p3 add.u32 r0, r0, 0x100000;
              mbarrier.arrive.shared::cta.b64 _, [r1];
              PARITY: mbarrier.test_wait.parity.shared.b64 p1, [r1], 1; @!p1 bra PARITY;
              add.u32 r9, r9, 1; setp.lt.u32 p2, r9, 4; @p2 bra LOOP;
            bar.sync 0; @p0 mbarrier.inval.shared.b64 [r1];
            {Store}
            """, 64);
        Equal(thread => (4 * (63 - thread)) + 6, got);
    }

    [Theory]
    [InlineData(AsyncArrival.Late)]
    [InlineData(AsyncArrival.Early)]
    public void AsynchronousCopiesArriveAtTheirWait(AsyncArrival arrival)
    {
        ulong[] data = [.. Enumerable.Range(0, 64).Select(i => (ulong)i * 0x0101_0101_0101)];
        ulong[] got = InstructionRun.Threaded("""
            .shared .align 16 .b8 box[2048];
            mov.u32 r1, box; mad.lo.u32 r1, t, 64, r1; mul.wide.u32 rd1, t, 16; add.u64 rd1, m, rd1; setp.lt.u32 p0, t, 16;
            cp.async.cg.shared.global [r1], [rd1], 16;
            cp.async.commit_group;
            cp.async.ca.shared.global [r1+16], [rd1], 8, 4;
            cp.async.ca.shared.global [r1+24], [rd1+4], 4;
            cp.async.ca.shared.global [r1+28], [rd1+4], 4, 0;
            cp.async.commit_group;
            cp.async.cg.shared.global.L2::128B [r1+32], [rd1], 16, p0;
            cp.async.wait_group 1;
            ld.shared.v2.u64 {rd2, rd3}, [r1];
            cp.async.wait_group 0;
            ld.shared.v2.u64 {rd4, rd5}, [r1+16];
            cp.async.wait_all;
            ld.shared.v2.u64 {rd6, rd7}, [r1+32];
            mul.lo.u64 rd2, rd2, 3; add.u64 rd2, rd2, rd3; mad.lo.u64 rd2, rd2, 3, rd4; mad.lo.u64 rd2, rd2, 3, rd5; mad.lo.u64 rd2, rd2, 3, rd6; mad.lo.u64 rd2, rd2, 3, rd7;
            st.global.u64 [o], rd2;
            """, data: data, options: new LaunchOptions { Workers = 1, AsyncCopies = arrival });
        for (int lane = 0; lane < 32; lane++)
        {
            (ulong a, ulong b) = (data[2 * lane], data[(2 * lane) + 1]);
            ulong[] parts = [a, b, a & 0xFFFF_FFFF, a >> 32, lane < 16 ? 0 : a, lane < 16 ? 0 : b];
            Assert.Equal(parts.Aggregate(0ul, (sum, part) => unchecked((sum * 3) + part)), got[lane]);
        }
    }

    [Theory]
    [InlineData(AsyncArrival.Late)]
    [InlineData(AsyncArrival.Early)]
    public void CopiesArriveAtAMemoryBarrier(AsyncArrival arrival)
    {
        // 64 counted arrivals of the copies, and one of thread 0 behind an arrival that raises the count itself.
        ulong[] data = [.. Enumerable.Range(0, 64).Select(i => (ulong)i * 5)];
        ulong[] got = InstructionRun.Threaded("""
            .shared .align 8 .b64 bar; .shared .align 8 .b8 box[512]; .reg .b32 address;
            mov.u32 address, bar; setp.eq.u32 p0, t, 0; @p0 mbarrier.init.shared.b64 [address], 65;
            fence.proxy.alias; bar.sync 0;
            mov.u32 r1, box; mad.lo.u32 r2, t, 8, r1; mul.wide.u32 rd1, t, 8; add.u64 rd1, m, rd1;
            cp.async.ca.shared.global [r2], [rd1], 8;
            cp.async.mbarrier.arrive.noinc.shared.b64 [address];
            mov.u64 rd3, bar; cvta.shared.u64 rd3, rd3;
            @p0 cp.async.mbarrier.arrive.b64 [rd3];
            @p0 mbarrier.arrive.shared.b64 _, [address];
            WAIT: mbarrier.test_wait.parity.shared.b64 p1, [address], 0; @!p1 bra WAIT;
            xor.b32 r3, t, 63; mad.lo.u32 r3, r3, 8, r1; ld.shared.u64 rd2, [r3];
            st.global.u64 [o], rd2;
            """, 64, data: data, options: new LaunchOptions { Workers = 1, AsyncCopies = arrival });
        Equal(thread => (63 - thread) * 5, got);
    }

    [Fact]
    public void DivergentLanesAtAnAlignedBarrierAreFound()
    {
        PtxFinding finding = InstructionRun.Finding("""
            setp.lt.u32 p0, t, 40; @!p0 bra END;
            bar.sync 0; //!
            END: nanosleep.u32 1;
            """, 64);
        Assert.Equal((PtxFindingKind.Divergence, 32), (finding.Kind, finding.Thread));
    }

    [Fact]
    public void ABarrierThatNobodyFillsIsADeadlock()
    {
        PtxFinding finding = InstructionRun.Finding("""
            setp.lt.u32 p0, t, 32; @p0 bra END;
            bar.sync 3, 96; //!
            END: nanosleep.u32 1;
            """, 64);
        Assert.Equal((PtxFindingKind.Deadlock, 32), (finding.Kind, finding.Thread));
        Assert.Contains("bar.sync", finding.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void LanesThatWaitForEachOtherElsewhereAreADeadlock()
    {
        PtxFinding finding = InstructionRun.Finding("""
            setp.lt.u32 p0, t, 16; @p0 bra LOW;
            vote.sync.ballot.b32 r1, p0, -1;
            bra END;
            LOW: redux.sync.add.u32 r1, t, -1;
            END: nanosleep.u32 1;
            """);
        Assert.Equal(PtxFindingKind.Deadlock, finding.Kind);
        Assert.Contains("redux.sync", finding.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AnEndlessLoopIsADeadlock()
    {
        PtxFinding finding = InstructionRun.Finding("""
            POLL: ld.volatile.global.u64 rd0, [m]; setp.eq.u64 p0, rd0, 0; @p0 bra POLL;
            """, options: new LaunchOptions { Workers = 1, InstructionLimit = 100_000 });
        Assert.Equal(PtxFindingKind.Deadlock, finding.Kind);
    }
}
