using System.Globalization;
using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.PtxEmulator.Counting;
using Llama4Kernels.PtxEmulator.Execution;
using Llama4Kernels.PtxEmulator.Parsing;

namespace Llama4Kernels.Tests.PtxEmulator.Counting;

/// <summary>Access patterns of one warp, counted by hand.</summary>
public class AccessPatternTests
{
    private const int SharedBytes = 8192;
    private const int GlobalBytes = 65_536;

    /// <summary>Lane i loads at i * stride + offset: sectors of 32 bytes, counted once each.</summary>
    [Theory]
    [InlineData("u32", 1, 4, 0, 4)] // 128 bytes in a row
    [InlineData("u32", 1, 4, 16, 5)] // the same, beginning in the middle of a sector
    [InlineData("u32", 1, 8, 0, 8)] // every second word
    [InlineData("u32", 1, 128, 0, 32)] // one per line
    [InlineData("u32", 1, 132, 0, 32)] // 33 words
    [InlineData("u32", 1, 0, 0, 1)] // all the same word
    [InlineData("u8", 1, 1, 0, 1)] // 32 bytes in a row
    [InlineData("u8", 1, 1, 31, 2)]
    [InlineData("u16", 1, 2, 0, 2)]
    [InlineData("u64", 1, 8, 0, 8)]
    [InlineData("u32", 4, 16, 0, 16)] // rows of 16 bytes
    [InlineData("u32", 4, 16, 16, 17)]
    [InlineData("u32", 4, 32, 0, 32)] // half of each sector
    [InlineData("u32", 2, 8, 0, 8)]
    public void SectorsOfGlobalLoads(string type, int lanes, int stride, int offset, long sectors)
    {
        LineCounters load = Count("global", type, lanes, stride, offset);
        int bytes = lanes * int.Parse(type[1..], CultureInfo.InvariantCulture) / 8;
        Assert.Equal((sectors, 32L * bytes, 1L, 32L), (load.Sectors, load.GlobalBytes, load.Executions, load.Lanes));
        Assert.Equal((0L, 0L, 0L), (load.Wavefronts, load.BankConflicts, load.SharedBytes));
        Assert.Equal(Pipe.Lsu, load.Pipe);
    }

    /// <summary>The same in shared memory: passes through 32 banks of 4 bytes; 8 bytes take two phases at least, 16 bytes four.</summary>
    [Theory]
    [InlineData("u32", 1, 4, 0, 1, 0)] // a bank for each lane
    [InlineData("u32", 1, 8, 0, 2, 1)] // two words on each even bank
    [InlineData("u32", 1, 128, 0, 32, 31)] // 32 words: all on one bank
    [InlineData("u32", 1, 132, 0, 1, 0)] // 33 words: padded, a bank for each lane
    [InlineData("u32", 1, 0, 0, 1, 0)] // broadcast
    [InlineData("u8", 1, 1, 0, 1, 0)] // four lanes share a word
    [InlineData("u16", 1, 2, 0, 1, 0)]
    [InlineData("u64", 1, 8, 0, 2, 0)]
    [InlineData("u64", 1, 16, 0, 4, 2)] // 16 lanes spread over 64 words: two on a bank in each phase
    [InlineData("u32", 4, 16, 0, 4, 0)] // rows of 16 bytes in a row
    [InlineData("u32", 4, 32, 0, 8, 4)] // 8 rows spread over 64 words
    [InlineData("u32", 4, 128, 0, 32, 28)] // rows of 128 bytes without padding: 8 rows on the same four banks
    [InlineData("u32", 4, 144, 0, 4, 0)] // the same with 16 bytes of padding
    public void WavefrontsOfSharedLoads(string type, int lanes, int stride, int offset, long wavefronts, long conflicts)
    {
        LineCounters load = Count("shared", type, lanes, stride, offset);
        int bytes = lanes * int.Parse(type[1..], CultureInfo.InvariantCulture) / 8;
        Assert.Equal((wavefronts, conflicts, 32L * bytes), (load.Wavefronts, load.BankConflicts, load.SharedBytes));
        Assert.Equal((0L, 0L), (load.Sectors, load.GlobalBytes));
    }

    /// <summary>ldmatrix passes eight rows of 16 bytes for each matrix.</summary>
    [Theory]
    [InlineData(1, 16, 1, 0)] // rows in a row
    [InlineData(4, 16, 4, 0)]
    [InlineData(4, 128, 32, 28)] // a plain tile of 64 halves a row: eight rows on the same banks
    [InlineData(4, 144, 4, 0)] // padded by 16 bytes
    [InlineData(2, 32, 4, 2)]
    public void WavefrontsOfMatrixLoads(int matrices, int stride, long wavefronts, long conflicts)
    {
        string targets = string.Join(", ", Enumerable.Range(5, matrices).Select(i => "%r" + i.ToString(CultureInfo.InvariantCulture)));
        string opcode = $"ldmatrix.sync.aligned.m8n8.x{matrices}.shared.b16";
        LineCounters load = Run(FilledShared(stride) + $"{opcode} {{{targets}}}, [%r3];\n", new CudaDim3(1), new CudaDim3(32)).Lines.Single(line => line.Opcode == opcode);
        Assert.Equal((wavefronts, conflicts, 128L * matrices), (load.Wavefronts, load.BankConflicts, load.SharedBytes));
    }

    /// <summary>An asynchronous copy costs sectors and wavefronts, an atomic one sector for all lanes that meet in a word.</summary>
    [Fact]
    public void CopiesAndAtomicsAreCounted()
    {
        LaunchCounters counters = Run(
            FilledShared(16) + "mul.wide.u32 %rd2, %r1, 16;\nadd.s64 %rd2, %rd1, %rd2;\ncp.async.cg.shared.global [%r3], [%rd2], 16;\ncp.async.wait_all;\nred.global.add.u32 [%rd1], %r1;\n", new CudaDim3(1), new CudaDim3(32));
        LineCounters copy = counters.Lines.Single(line => line.Opcode == "cp.async.cg.shared.global");
        Assert.Equal((16L, 512L, 4L, 0L, 512L), (copy.Sectors, copy.GlobalBytes, copy.Wavefronts, copy.BankConflicts, copy.SharedBytes));
        LineCounters add = counters.Lines.Single(line => line.Opcode == "red.global.add.u32");
        Assert.Equal((1L, 128L), (add.Sectors, add.GlobalBytes));
    }

    [Fact]
    public void WhatNoLaneDoesIsNotCounted()
    {
        LineCounters load = Count("global", "u32", 1, 128, 0, guard: "setp.lt.u32 %p1, %r1, 3;\n@%p1 ");
        Assert.Equal((3L, 12L, 3L), (load.Sectors, load.GlobalBytes, load.Lanes));
    }

    /// <summary>A warp runs the body 5 times, with 32 lanes; the profile adds the warps up.</summary>
    [Fact]
    public void ExecutionsAreThoseOfWarps()
    {
        LaunchCounters counters = Run(
            "mov.u32 %r2, 0;\nagain: fma.rn.f32 %f1, %f1, %f1, %f1;\nadd.u32 %r2, %r2, 1;\nsetp.lt.u32 %p1, %r2, 5;\n@%p1 bra again;\n", new CudaDim3(3), new CudaDim3(70));
        LineCounters fma = counters.Lines.Single(line => line.Opcode == "fma.rn.f32");
        Assert.Equal((Pipe.Fma, 3L * 3 * 5, 3L * 70 * 5), (fma.Pipe, fma.Executions, fma.Lanes));
        var profile = new LaunchProfile(counters);
        Assert.Equal(counters.Instructions, profile.Instructions);
        Assert.Equal(3L * 3 * 5, profile.On(Pipe.Fma));
    }

    [Fact]
    public void TensorOperationsAreCounted()
    {
        LaunchCounters counters = Run(
            "mov.b32 %r2, 0;\nmma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%f1, %f2, %f3, %f4}, {%r2, %r2, %r2, %r2}, {%r2, %r2}, {%f1, %f1, %f1, %f1};\n", new CudaDim3(2), new CudaDim3(64));
        LineCounters mma = counters.Lines.Single(line => line.Pipe == Pipe.Tensor);
        Assert.Equal((4L, 4L * 2 * 16 * 8 * 16), (mma.Executions, mma.TensorOperations));
    }

    private static LineCounters Count(string space, string type, int vector, int stride, int offset, string guard = "")
    {
        string register = type == "u64" ? "%rd" : type is "u8" or "u16" ? "%h" : "%r";
        string target = vector == 1 ? register + "5" : "{" + string.Join(", ", Enumerable.Range(5, vector).Select(i => register + i.ToString(CultureInfo.InvariantCulture))) + "}";
        string load = $"ld.{space}.{(vector > 1 ? $"v{vector}." : "")}{type}";
        string code = space == "global"
            ? $"mul.wide.u32 %rd2, %r1, {stride};\nadd.s64 %rd2, %rd1, %rd2;\n{guard}{load} {target}, [%rd2+{offset}];\n"
            : FilledShared(stride) + $"{load} {target}, [%r3+{offset}];\n";
        return Run(code, new CudaDim3(1), new CudaDim3(32)).Lines.Single(line => line.Opcode == load);
    }

    /// <summary>Writes all of shared memory, since what nobody wrote would be a finding, and puts sh + lane * stride into %r3.</summary>
    private static string FilledShared(int stride) => $"""
        mov.u32 %r2, sh;
        shl.b32 %r3, %r1, 2;
        add.u32 %r3, %r3, %r2;
        mov.u32 %r4, 0;
        fill: st.shared.u32 [%r3], %r4;
        add.u32 %r3, %r3, 128;
        add.u32 %r4, %r4, 1;
        setp.lt.u32 %p1, %r4, {SharedBytes / 128};
        @%p1 bra fill;
        bar.sync 0;
        mul.lo.u32 %r3, %r1, {stride};
        add.u32 %r3, %r3, %r2;

        """;

    private static unsafe LaunchCounters Run(string code, CudaDim3 grid, CudaDim3 block)
    {
        string text = $$"""
            .version 8.0
            .target sm_80
            .address_size 64
            .visible .entry k(.param .u64 p)
            {
            .reg .pred %p<2>;
            .reg .b16 %h<10>;
            .reg .b32 %r<10>;
            .reg .b64 %rd<10>;
            .reg .f32 %f<5>;
            .shared .align 16 .b8 sh[{{SharedBytes}}];
            ld.param.u64 %rd1, [p];
            cvta.to.global.u64 %rd1, %rd1;
            mov.u32 %r1, %tid.x;
            mov.f32 %f1, 0f00000000;
            {{code}}ret;
            }
            """;
        using var memory = new GlobalMemory();
        using PtxProgram program = PtxProgram.Load(PtxModule.Parse(text), memory);
        nint buffer = memory.Allocate(GlobalBytes);
        new Span<byte>((void*)buffer, GlobalBytes).Clear();
        memory.MarkDefined(buffer, GlobalBytes);
        return KernelLaunch.Run(program.Kernel("k")!, grid, block, 0, BitConverter.GetBytes((ulong)buffer), new LaunchOptions { CountMemory = true });
    }
}
