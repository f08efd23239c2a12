using Llama4Kernels.PtxEmulator.Counting;
using Llama4Kernels.PtxEmulator.Execution;
using Llama4Kernels.PtxEmulator.Parsing;

namespace Llama4Kernels.Tests.PtxEmulator.Counting;

/// <summary>Sums of counters, and what the time model gets of them.</summary>
public class LaunchProfileTests
{
    private static readonly LaunchProfile s_profile = new(new LaunchCounters
    {
        Lines =
        [
            new LineCounters { Line = 1, Opcode = "ld.global.f32", Pipe = Pipe.Lsu, Executions = 10, Lanes = 320, Sectors = 40, GlobalBytes = 1280 },
            new LineCounters { Line = 2, Opcode = "st.global.f32", Pipe = Pipe.Lsu, Executions = 5, Lanes = 80, Sectors = 80, GlobalBytes = 320 },
            new LineCounters { Line = 3, Opcode = "red.global.add.u32", Pipe = Pipe.Lsu, Executions = 5, Lanes = 5, Sectors = 5, GlobalBytes = 20 },
            new LineCounters { Line = 4, Opcode = "ld.shared.f32", Pipe = Pipe.Lsu, Executions = 2, Lanes = 64, Wavefronts = 64, BankConflicts = 62, SharedBytes = 256 },
            new LineCounters { Line = 5, Opcode = "fma.rn.f32", Pipe = Pipe.Fma, Executions = 7, Lanes = 224 },
            new LineCounters { Line = 6, Opcode = "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32", Pipe = Pipe.Tensor, Executions = 3, Lanes = 96, TensorOperations = 3 * 8192 },
        ],
    });

    [Fact]
    public void CountersAreAddedUp()
    {
        Assert.Equal((32L, 20L, 2L), (s_profile.Instructions, s_profile.GlobalRequests, s_profile.SharedRequests));
        Assert.Equal(789.0 / 32, s_profile.ActiveLanes);
        Assert.Equal((40L, 85L, 1280L, 340L), (s_profile.ReadSectors, s_profile.WriteSectors, s_profile.GlobalReadBytes, s_profile.GlobalWriteBytes));
        Assert.Equal(125.0 / 20, s_profile.SectorsPerRequest);
        Assert.Equal(1620.0 / 4000, s_profile.SectorEfficiency);
        Assert.Equal((64L, 62L, 256L, 24576L), (s_profile.Wavefronts, s_profile.BankConflicts, s_profile.SharedBytes, s_profile.TensorOperations));
        Assert.Equal((22L, 7L, 3L, 0L), (s_profile.On(Pipe.Lsu), s_profile.On(Pipe.Fma), s_profile.On(Pipe.Tensor), s_profile.On(Pipe.Mufu)));
    }

    [Fact]
    public void TheModelGetsTheCounts()
    {
        KernelWork work = s_profile.Work(new KernelWork { Blocks = 3, ResidentBlocks = 2, BytesInFlight = 5 }, bufferBytes: 2000);
        Assert.Equal((3L, 2, 5.0), (work.Blocks, work.ResidentBlocks, work.BytesInFlight));
        // No buffer is read or written more than once from HBM.
        Assert.Equal((1280.0, 2000.0, 4000.0), (work.HbmReadBytes, work.HbmWriteBytes, work.L2Bytes));
        Assert.Equal((32.0, 7.0, 22.0, 64.0), (work.Instructions, work.FmaInstructions, work.MemoryInstructions, work.Wavefronts));
        Assert.Equal(new TensorWork(24576, 8, WarpGroup: false), Assert.Single(work.Tensor));
    }

    [Theory]
    [InlineData("ld.global.nc.v4.f32", false)]
    [InlineData("cp.async.cg.shared.global", false)]
    [InlineData("st.global.f32", true)]
    [InlineData("red.global.add.f32", true)]
    [InlineData("atom.global.cas.b32", true)]
    public void StoresAndAtomicsWrite(string opcode, bool writes)
    {
        var profile = new LaunchProfile(new LaunchCounters { Lines = [new LineCounters { Opcode = opcode, Pipe = Pipe.Lsu, Executions = 1, Sectors = 3, GlobalBytes = 8 }] });
        Assert.Equal(writes ? (0L, 3L, 0L, 8L) : (3L, 0L, 8L, 0L), (profile.ReadSectors, profile.WriteSectors, profile.GlobalReadBytes, profile.GlobalWriteBytes));
    }

    [Theory]
    [InlineData("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32", 16, false)]
    [InlineData("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32", 32, false)]
    [InlineData("mma.sync.aligned.m8n8k4.row.col.f64.f64.f64.f64", 64, false)]
    [InlineData("mma.sync.aligned.m16n8k32.row.col.f32.e4m3.e4m3.f32", 16, false)]
    [InlineData("wgmma.mma_async.sync.aligned.m64n8k32.f32.e4m3.e4m3", 8, true)]
    [InlineData("wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16", 16, true)]
    public void RatesFollowTheOperands(string opcode, int bits, bool group)
    {
        var profile = new LaunchProfile(new LaunchCounters { Lines = [new LineCounters { Opcode = opcode, Pipe = Pipe.Tensor, Executions = 1, TensorOperations = 4096 }] });
        Assert.Equal([new TensorWork(4096, bits, group)], profile.Work(new KernelWork { Blocks = 1 }, 0).Tensor);
    }

    [Theory]
    [InlineData("ld.global.f32 %f1, [%rd1]; ld.global.v4.f32 {%f2, %f3, %f4, %f5}, [%rd1]; add.f32 %f6, %f1, %f2;", 20)]
    [InlineData("ld.global.f32 %f1, [%rd1]; add.f32 %f6, %f1, %f1; ld.global.f32 %f2, [%rd1]; add.f32 %f6, %f2, %f2;", 4)]
    [InlineData("ld.global.f64 %fd1, [%rd1]; ld.global.f32 %f1, [%rd1]; ld.global.f32 %f2, [%rd1]; add.f32 %f6, %f1, %f1; ld.global.v2.f32 {%f3, %f4}, [%rd1];", 16)]
    [InlineData("ld.global.u64 %rd2, [%rd1]; ld.global.f32 %f2, [%rd2];", 8)]
    [InlineData("ld.shared.f32 %f1, [%rd1]; st.global.f32 [%rd1], %f1;", 0)]
    [InlineData("cp.async.cg.shared.global [%r1], [%rd1], 16; cp.async.commit_group; cp.async.ca.shared.global [%r1], [%rd1], 8; cp.async.commit_group; cp.async.wait_group 1; cp.async.cg.shared.global [%r1], [%rd1], 16;", 24)]
    [InlineData("cp.async.cg.shared.global [%r1], [%rd1], 16; cp.async.wait_all; cp.async.ca.shared.global [%r1], [%rd1], 4;", 16)]
    public void BytesOnTheWayAreGuessedFromTheText(string body, long bytes)
    {
        PtxModule module = PtxModule.Parse(
            ".version 8.0\n.target sm_80\n.address_size 64\n.entry k()\n{\n.reg .b32 %r<4>; .reg .b64 %rd<4>; .reg .f32 %f<8>; .reg .f64 %fd<4>;\n" + body + "\nret;\n}\n");
        Assert.Equal(bytes, LoadsInFlight.BytesPerThread(Assert.Single(module.Functions)));
    }
}
