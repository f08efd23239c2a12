namespace Llama4Kernels.Tests.PtxEmulator.Execution;

/// <summary>Instructions of a warp, with all lanes, with parts and with lanes that come at different times.</summary>
public class WarpInstructionTests
{
    private static readonly uint[] s_values = [.. Enumerable.Range(0, 32).Select(i => (uint)(((i * 2654435761) >> 3) ^ (i << 27)))];

    /// <summary>The lane's value in r1.</summary>
    private const string Value = "mul.wide.u32 rd0, t, 8; add.u64 rd0, m, rd0; ld.global.u32 r1, [rd0];";

    private const string Store = "cvt.u64.u32 rd0, r0; st.global.u64 [o], rd0;";

    private static ulong[] Data => [.. s_values.Select(value => (ulong)value)];

    [Theory]
    [InlineData("idx")]
    [InlineData("up")]
    [InlineData("down")]
    [InlineData("bfly")]
    public void ShufflesFollowTheManual(string mode)
    {
        foreach ((uint b, uint c) in new[] { (1u, 31u), (0u, 31u), (5u, 31u), (16u, 31u), (31u, 31u), (33u, 31u), (1u, 0u), (3u, 0x181Fu), (2u, 0x1C1Fu), (7u, 0x1800u), (1u, 0x1E1Fu), (9u, 0x100Fu) })
        {
            ulong[] got = InstructionRun.Threaded($"""
                {Value}
                add.u32 r2, {b}, {(mode == "idx" ? "t" : "0")};
                shfl.sync.{mode}.b32 r0|p0, r1, r2, {c}, -1;
                selp.u64 rd1, 0x100000000, 0, p0; cvt.u64.u32 rd0, r0; or.b64 rd0, rd0, rd1; st.global.u64 [o], rd0;
                """, data: Data);
            for (int lane = 0; lane < 32; lane++)
            {
                // As in the manual: five bits of each operand.
                int by = (int)((b + (mode == "idx" ? (uint)lane : 0)) & 31), clamp = (int)c & 31, segment = (int)c >> 8 & 31;
                int top = (lane & segment) | (clamp & ~segment), low = lane & segment;
                int source = mode switch { "up" => lane - by, "down" => lane + by, "bfly" => lane ^ by, _ => low | (by & ~segment) };
                bool inside = mode == "up" ? source >= top : source <= top;
                Assert.Equal(s_values[inside ? source : lane] | (inside ? 1ul << 32 : 0), got[lane]);
            }
        }
    }

    [Fact]
    public void VotesCountNamedLanes()
    {
        foreach (uint mask in new uint[] { 0xFFFF_FFFF, 0x0000_FFFF, 0x8000_0001, 0x5555_5555 })
        {
            ulong[] got = InstructionRun.Threaded($$"""
                {{Value}}
                and.b32 r2, r1, 1; setp.ne.u32 p1, r2, 0;
                mov.u32 r3, {{mask}}; mov.u32 r5, 1; shl.b32 r5, r5, t; and.b32 r5, r5, r3; setp.eq.u32 p9, r5, 0; mov.u64 rd0, 0;
                @p9 bra OUT;
                vote.sync.ballot.b32 r4, p1, r3;
                vote.sync.all.pred p2, p1, r3; vote.sync.any.pred p3, !p1, r3; vote.sync.uni.pred p4, p1, r3; vote.sync.all.pred p5, p9, r3; vote.sync.uni.pred p6, !p9, r3;
                xor.b32 r0, r4, 0; selp.u32 r6, 1, 0, p2; selp.u32 r7, 2, 0, p3; selp.u32 r8, 4, 0, p4; selp.u32 r9, 8, 0, p5; selp.u32 r10, 16, 0, p6;
                add.u32 r6, r6, r7; add.u32 r6, r6, r8; add.u32 r6, r6, r9; add.u32 r6, r6, r10;
                mov.b64 rd0, {r0, r6};
                OUT: st.global.u64 [o], rd0;
                """, data: Data);
            uint ballot = Enumerable.Range(0, 32).Aggregate(0u, (sum, i) => sum | ((s_values[i] & 1) != 0 ? 1u << i : 0)) & mask;
            ulong flags = (ballot == mask ? 1ul : 0) | (ballot != mask ? 2ul : 0) | (ballot == 0 || ballot == mask ? 4ul : 0) | 16;
            for (int lane = 0; lane < 32; lane++)
            {
                if ((mask >> lane & 1) != 0)
                {
                    Assert.Equal(ballot | flags << 32, got[lane]);
                }
            }
        }
    }

    [Theory]
    [InlineData("add.s32")]
    [InlineData("add.u32")]
    [InlineData("min.s32")]
    [InlineData("min.u32")]
    [InlineData("max.s32")]
    [InlineData("max.u32")]
    [InlineData("and.b32")]
    [InlineData("or.b32")]
    [InlineData("xor.b32")]
    public void ReductionsOfPartsOfAWarp(string form)
    {
        // The lanes of a part come together through a branch, the rest through its other side.
        ulong[] got = InstructionRun.Threaded($"""
            {Value}
            rem.u32 r2, t, 3; setp.eq.u32 p0, r2, 0;
            @p0 bra THIRD;
            redux.sync.{form} r0, r1, 0xB6DB6DB6;
            bra END;
            THIRD: redux.sync.{form} r0, r1, 0x49249249;
            END: {Store}
            """, data: Data);
        for (int lane = 0; lane < 32; lane++)
        {
            uint[] part = [.. Enumerable.Range(0, 32).Where(i => (i % 3 == 0) == (lane % 3 == 0)).Select(i => s_values[i])];
            uint expected = part.Skip(1).Aggregate(part[0], (a, b) => form switch
            {
                "min.s32" => (uint)Math.Min((int)a, (int)b),
                "max.s32" => (uint)Math.Max((int)a, (int)b),
                "min.u32" => Math.Min(a, b),
                "max.u32" => Math.Max(a, b),
                "and.b32" => a & b,
                "or.b32" => a | b,
                "xor.b32" => a ^ b,
                _ => a + b,
            });
            Assert.Equal(expected, got[lane]);
        }
    }

    [Theory]
    [InlineData("b32", "r5")]
    [InlineData("b64", "rd5")]
    public void EqualLanesFindEachOther(string type, string register)
    {
        ulong[] got = InstructionRun.Threaded($$"""
            and.b32 r5, t, 3; mul.wide.u32 rd5, r5, 0x40000000;
            match.any.sync.{{type}} r0, {{register}}, -1;
            match.all.sync.{{type}} r1|p1, {{register}}, -1;
            mov.u32 r5, 6; mov.u64 rd5, 0x700000000;
            match.all.sync.{{type}} r2|p2, {{register}}, -1;
            selp.u32 r3, 1, 0, p1; selp.u32 r4, 2, 0, p2; add.u32 r3, r3, r4; add.u32 r3, r3, r1; sub.u32 r3, r3, r2;
            mov.b64 rd0, {r0, r3}; st.global.u64 [o], rd0;
            """);
        Assert.Equal(Enumerable.Range(0, 32).Select(i => (ulong)(0x1111_1111u << (i % 4)) | 3ul << 32), got);
    }

    [Fact]
    public void LanesMeetAtOneInstructionFromTwoPlaces()
    {
        // Both sides of a branch name all lanes: the values cross over.
        ulong[] got = InstructionRun.Threaded($"""
            setp.lt.u32 p0, t, 16; mul.lo.u32 r1, t, 10;
            @p0 bra LOW;
            shfl.sync.bfly.b32 r0, r1, 16, 31, -1;
            add.u32 r0, r0, 1;
            bra END;
            LOW: shfl.sync.bfly.b32 r0, r1, 16, 31, -1;
            END: {Store}
            """);
        Assert.Equal(Enumerable.Range(0, 32).Select(i => (ulong)(((i ^ 16) * 10) + (i < 16 ? 0 : 1))), got);
    }

    [Fact]
    public void ActiveLanesInsideABranch()
    {
        ulong[] got = InstructionRun.Threaded($"""
            and.b32 r1, t, 1; setp.eq.u32 p0, r1, 0; mov.u32 r0, 5;
            @p0 activemask.b32 r0;
            {Store}
            """);
        Assert.Equal(Enumerable.Range(0, 32).Select(i => i % 2 == 0 ? 0x5555_5555ul : 5), got);
    }

    [Fact]
    public void LaneMasksAndPlaces()
    {
        string[] names = ["%laneid", "%lanemask_eq", "%lanemask_lt", "%lanemask_le", "%lanemask_gt", "%lanemask_ge", "%warpid", "%nwarpid", "%ntid.x", "%nctaid.x", "%ctaid.x", "%tid.y", "WARP_SZ"];
        Func<int, uint>[] expected =
        [
            i => (uint)i % 32, i => 1u << i, i => (1u << i) - 1, i => (uint)((2ul << (i % 32)) - 1), i => ~(uint)((2ul << (i % 32)) - 1), i => ~((1u << i) - 1),
            i => (uint)i / 32, _ => 3, _ => 96, _ => 2, _ => 0, _ => 0, _ => 32,
        ];
        foreach ((string name, Func<int, uint> value) in names.Zip(expected))
        {
            ulong[] got = InstructionRun.Threaded($"mov.u32 r0, {name}; {Store}", 96, 2);
            for (int i = 0; i < 96; i++)
            {
                Assert.True(value(i) == got[i], $"{name} of thread {i}: {got[i]}");
            }
        }
    }

    [Fact]
    public void ClocksGoOn()
    {
        ulong[] got = InstructionRun.Threaded("""
            mov.u64 rd0, %clock64; mov.u32 r0, %clock; mov.u64 rd3, %globaltimer;
            nanosleep.u32 10; mov.u64 rd1, %clock64; mov.u32 r1, %clock; mov.u64 rd4, %globaltimer;
            setp.gt.u64 p0, rd1, rd0; setp.gt.and.u32 p0, r1, r0, p0; setp.ge.and.u64 p0, rd4, rd3, p0; setp.ne.and.u64 p0, rd3, 0, p0;
            selp.u64 rd0, 1, 0, p0; st.global.u64 [o], rd0;
            """);
        Assert.All(got, word => Assert.Equal(1ul, word));
    }

    [Theory]
    [InlineData(1, false)]
    [InlineData(2, false)]
    [InlineData(4, false)]
    [InlineData(1, true)]
    [InlineData(2, true)]
    [InlineData(4, true)]
    public void MatricesAreLoaded(int count, bool transposed)
    {
        string list = count == 1 ? "{r10}" : count == 2 ? "{r10, r11}" : "{r10, r11, r12, r13}";
        string trans = transposed ? ".trans" : "";
        for (int which = 0; which < count; which++)
        {
            ulong[] got = InstructionRun.Threaded($$"""
                .shared .align 16 .b8 tiles[512];
                mov.u32 r0, tiles; mad.lo.u32 r1, t, 16, r0;
                // Row t of 8 elements holds 8 t to 8 t + 7.
                {{string.Concat(Enumerable.Range(0, 8).Select(i => $"mad.lo.u32 r2, t, 8, {i}; st.shared.u16 [r1+{2 * i}], r2;\n"))}}
                bar.warp.sync -1;
                ldmatrix.sync.aligned.m8n8.x{{count}}{{trans}}.shared.b16 {{list}}, [r1];
                cvt.u64.u32 rd0, r{{10 + which}};
                st.global.u64 [o], rd0;
                """);
            for (int lane = 0; lane < 32; lane++)
            {
                uint Element(int row, int column) => (uint)((((which * 8) + row) * 8) + column);
                int r = lane / 4, c = lane % 4 * 2;
                uint expected = transposed ? Element(c, r) | Element(c + 1, r) << 16 : Element(r, c) | Element(r, c + 1) << 16;
                Assert.Equal(expected, got[lane]);
            }
        }
    }

    [Fact]
    public void AMatrixIsTransposedInRegisters()
    {
        ulong[] got = InstructionRun.Threaded($"mul.lo.u32 r1, t, 2; mad.lo.u32 r2, t, 2, 1; shl.b32 r2, r2, 16; or.b32 r1, r1, r2; movmatrix.sync.aligned.m8n8.trans.b16 r0, r1; {Store}");
        for (int lane = 0; lane < 32; lane++)
        {
            int r = lane / 4, c = lane % 4 * 2;
            Assert.Equal((ulong)((c * 8) + r | (((c + 1) * 8) + r) << 16), got[lane]);
        }
    }

    [Theory]
    [InlineData(20)]
    [InlineData(32)]
    [InlineData(70)]
    public void ReductionsAtABarrier(int threads)
    {
        ulong[] got = InstructionRun.Threaded("""
            and.b32 r1, t, 3; setp.eq.u32 p0, r1, 1; setp.lt.u32 p9, t, 1000;
            barrier.cta.red.popc.aligned.u32 r0, 1, p0;
            bar.red.and.pred p1, 0, p9; bar.red.and.pred p2, 0, p0; barrier.red.or.pred p3, 2, p0; bar.red.or.pred p4, 0, !p9; bar.red.popc.u32 r2, 0, !p0;
            selp.u32 r3, 1, 0, p1; selp.u32 r4, 2, 0, p2; selp.u32 r5, 4, 0, p3; selp.u32 r6, 8, 0, p4;
            add.u32 r3, r3, r4; add.u32 r3, r3, r5; add.u32 r3, r3, r6; mad.lo.u32 r3, r3, 1000, r0; mad.lo.u32 r3, r3, 1000, r2;
            cvt.u64.u32 rd0, r3; st.global.u64 [o], rd0;
            """, threads);
        int ones = Enumerable.Range(0, threads).Count(i => i % 4 == 1);
        Assert.All(got, word => Assert.Equal((ulong)((((5 * 1000) + ones) * 1000) + threads - ones), word));
        Assert.Equal(threads, got.Length);
    }
}
