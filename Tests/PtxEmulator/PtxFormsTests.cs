using Llama4Kernels.PtxEmulator.Checking;

namespace Llama4Kernels.Tests.PtxEmulator;

/// <summary>The checker agrees with an assembler on every probed form, at its smallest target and version, below and above.</summary>
public class PtxFormsTests
{
    public static TheoryData<string> Families => [.. PtxForms.All.Select(row => row.Family).Distinct()];

    private static List<PtxForms> Rows(string family)
    {
        List<PtxForms> rows = [.. PtxForms.All.Where(row => row.Family == family)];
        Assert.NotEmpty(rows);
        return rows;
    }

    private static string[] Lines(string file)
    {
        string[] lines = File.ReadAllLines(Path.Combine(GoldenFiles.Repository, "Tests", "PtxEmulator", file));
        Assert.True(lines.Length > 100, file);
        return lines;
    }

    [Theory]
    [MemberData(nameof(Families))]
    public void FormsAreAcceptedAtTheirMinimumAndRefusedBelow(string family) => Assert.All(Rows(family).Where(row => row.Target != "-"), row =>
    {
        Assert.Null(PtxForms.Error(row.Form, row.Target, row.Version));
        int target = Array.IndexOf(PtxForms.Targets, row.Target);
        int version = Array.IndexOf(PtxForms.Versions, row.Version);
        Assert.True(target == 0 || PtxForms.Error(row.Form, PtxForms.Targets[target - 1]) is not null, "accepted below its target");
        Assert.True(version == 0 || PtxForms.Error(row.Form, row.Target, PtxForms.Versions[version - 1]) is not null, "accepted below its version");
    });

    [Theory]
    [MemberData(nameof(Families))]
    public void LaterTargetsTakeWhatTheAssemblerTakes(string family) => Assert.All(Rows(family), row =>
    {
        int first = row.Target == "-" ? 0 : Array.IndexOf(PtxForms.Targets, row.Target);
        Assert.All(PtxForms.Targets.Skip(first), target =>
            Assert.Equal(row.Target == "-" || row.RefusedAbove.Contains(target), PtxForms.Error(row.Form, target) is not null));
    });

    [Theory]
    [MemberData(nameof(Families))]
    public void HopperTakesWhatTheTableSays(string family) =>
        Assert.All(Rows(family), row => Assert.Equal(row.OnHopper, PtxForms.Error(row.Form) is null));

    [Fact]
    public void MistakesAreErrorsAndAcceptedOnesAreNot()
    {
        string[][] rows = [.. File.ReadLines(GoldenFiles.Path("ptx-forms", "rejected.tsv")).Skip(1).Select(line => line.Split('\t'))];
        Assert.Equal(92, rows.Length);
        Assert.All(rows, row => Assert.Equal(row[1] == "rejected", PtxForms.Error(row[0]) is not null));
    }

    [Theory]
    [InlineData("wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 {f:31},rd0,rd1,p0,1,1,0,0;", "Argument vector size mismatch for instruction 'wgmma.mma_async'")]
    [InlineData("wgmma.mma_async.sync.aligned.m64n60k16.f32.bf16.bf16 {f:30},rd0,rd1,p0,1,1,0,0;", "Unknown modifier '.m64n60k16'")]
    [InlineData("wgmma.mma_async.sync.aligned.m64n40k32.s32.s8.s8 {r:20},rd0,rd1,p0;", "Illegal matrix shape '.m64n40k32' for instruction 'wgmma.mma_async'")]
    [InlineData("wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 {f:32},rd0,rd1,p0,2,1,0,0;", "unexpected value '2', expected to be -1 or 1")]
    [InlineData("wgmma.fence.aligned;", ".sync modifier required for instruction 'wgmma.fence'")]
    [InlineData("mma.sync.aligned.m16n8k16.row.col.f32.bf16.f16.f32 {f:4},{r:4},{r:2+4},{f:4};", "Unexpected instruction types specified for 'mma'")]
    [InlineData("mma.sync.aligned.m16n8k16.row.row.f32.bf16.bf16.f32 {f:4},{r:4},{r:2+4},{f:4};", "Illegal blayout '.row' for instruction 'mma'")]
    [InlineData("cp.async.bulk.tensor.2d.shared.global.tile.mbarrier::complete_tx::bytes [r0],[rd0,{r2,r3}],[r1];", "State space incorrect for instruction 'cp.async.bulk.tensor'")]
    [InlineData("cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [r0],[tmap,{r2,r3}],[r1];", "State space mismatch between instruction and address")]
    [InlineData("cp.async.ca.shared.global [r0],[rd0],12;", "unexpected value '12', expected to be 4 or 8 or 16")]
    [InlineData("cp.async.bulk.prefetch.L2.global [rd0],100;", "unexpected value '100', expected to be multiple of 16")]
    [InlineData("mbarrier.arrive.release.cluster.shared::cluster.b64 rd0,[r0];", "Sink '_' is expected as a destination operand for instruction 'mbarrier.arrive'")]
    [InlineData("mbarrier.wait.shared::cta.b64 p0,[r0];", "Not a name of any known instruction: 'mbarrier")]
    [InlineData("setmaxnreg.inc.sync.aligned.u32 264;", "value '264' out of range, expected to be in range [24..256]")]
    [InlineData("setmaxnreg.dec.sync.aligned.u32 20;", "unexpected value '20', expected to be multiple of 8")]
    [InlineData("shfl.bfly.b32 r0,r1,1,0x1f;", "Instruction 'shfl' without '.sync' is not supported")]
    [InlineData("cvt.bf16.f32 h0,f0;", "Rounding modifier required for instruction 'cvt'")]
    [InlineData("cvt.s32.f32 r0,f0;", "Rounding modifier required for instruction 'cvt'")]
    [InlineData("ex2.approx.bf16 h0,h1;", ".ftz modifier required for instruction 'ex2'")]
    [InlineData("cvt.rn.e4m3x2.f32 h0,f0,f1;", ".satfinite modifier required for instruction 'cvt'")]
    [InlineData("atom.global.add.f16x2 r0,[rd0],r1;", "'.noftz' modifier required for instruction 'atom' with type '.f16x2'")]
    [InlineData("ld.acquire.global.b32 r0,[rd0];", "Modifier '.acquire' requires scope with 'ld' instruction")]
    [InlineData("ld.shared.nc.b32 r0,[r1];", "Modifier '.nc' requires .global space")]
    [InlineData("ld.global.v4.f64 {d0,d1,d2,d3},[rd0];", "Feature '256 bit wide load/store' requires .target sm_100 or higher")]
    [InlineData("ld.global.b32 r0,[r1];", "Program uses 32-bit address")]
    [InlineData("setp.f32 p0,f0,f1;", "Comparison modifier required for instruction 'setp'")]
    [InlineData("mov.u32 r0,%tid;", "Argument vector size mismatch for instruction 'mov'")]
    [InlineData("bar.sync 16,128;", "Barrier number '16' out of range, expected to be in range [0..15]")]
    [InlineData("bar.sync 0,100;", "Number of threads participating in barrier must be in multiple of warp size")]
    [InlineData("@p0 bra.uni NOWHERE;", "Unknown symbol 'NOWHERE'")]
    [InlineData("griddepcontrol.wait.all;", "Illegal modifier '.all' for instruction 'griddepcontrol'")]
    [InlineData("mov.f32 f0,1;", "Arguments mismatch for instruction 'mov'")]
    [InlineData(".reg .b32 r0;", "Duplicate definition of 'r0'")]
    public void MessagesSayWhatTheAssemblerSays(string form, string message) =>
        Assert.Contains(message, PtxForms.Error(form) ?? "no error", StringComparison.Ordinal);

    [Theory]
    [InlineData("mbarrier.try_wait.parity.shared::cta.b64 p0,[r0],r1;", "sm_80", "9.0", "requires .target sm_90 or higher")]
    [InlineData("wgmma.fence.sync.aligned;", "sm_90", "9.0", "not supported on .target 'sm_90'")]
    [InlineData("wgmma.fence.sync.aligned;", "sm_100a", "9.0", "not supported on .target 'sm_100a'")]
    [InlineData("ld.global.nc.L1::no_allocate.b32 r0,[rd0];", "sm_80", "7.3", "requires PTX ISA .version 7.4 or later")]
    [InlineData("ret;", "sm_90a", "7.8", ".target 'sm_90a' requires PTX ISA .version 8.0 or later")]
    [InlineData("ret;", "sm_90a", "9.1", "Unsupported .version 9.1; current version is '9.0'")]
    [InlineData("tcgen05.fence::before_thread_sync;", "sm_90a", "9.0", "Feature 'tcgen05' not supported on .target 'sm_90a'")]
    [InlineData("ret;", "sm_99", "9.0", "Unknown .target 'sm_99'")]
    [InlineData("mov.u32 r0,%cluster_ctarank;", "sm_80", "9.0", "Feature '%cluster_ctarank' requires .target sm_90 or higher")]
    public void MinimumsAreNamed(string form, string target, string version, string message) =>
        Assert.Contains(message, PtxForms.Error(form, target, version) ?? "no error", StringComparison.Ordinal);

    [Theory]
    [InlineData("cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [r0],[r5,{r2,r3}],[r1];", "32-bit register")]
    [InlineData("ld.global.acquire.gpu.b32 r0,[rd0];", "'.acquire' of 'ld' belongs before '.global'")]
    [InlineData("cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes.L2::cache_hint.multicast::cluster [r0],[rd0,{r2,r3}],[r1],h0,rd1;", "belongs before")]
    [InlineData("fence.gpu;", "without semantics")]
    [InlineData("fence.acq_rel;", "without scope")]
    [InlineData("multimem.ld_reduce.global.add.v4.bf16x2 {r0,r1,r2,r3},[rd0];", "without semantics")]
    [InlineData("ld.param.u64 rd0,[pa+8];", "Bytes 8 to 15 are not in 'pa' (8 bytes)")]
    [InlineData("ld.shared.b32 r0,[sm+1024];", "are not in 'sm'")]
    [InlineData("ld.shared.v4.b32 {r0,r1,r2,r3},[sm+8];", "no multiple of the 16 bytes accessed")]
    [InlineData("wgmma.wait_group.sync.aligned 8;", "takes 0 to 7")]
    [InlineData("wgmma.fence.sync;", "without '.aligned'")]
    [InlineData("wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {f:4},rd0,rd1,1,1,1,0,0;", "no wgmma.commit_group")]
    [InlineData("mov.u32 r0,0x1ffffffff;", "does not fit")]
    [InlineData("ld.b32 r0,[sm];", "not a generic one")]
    [InlineData("tex.2d.v4.f32.f32 {f0,f1,f2,f3},[tmap,{f4,f5}];", "is not checked")]
    public void WhatTheAssemblerTakesSilentlyIsAWarning(string form, string message)
    {
        IReadOnlyList<PtxDiagnostic> found = PtxForms.Check(form);
        Assert.DoesNotContain(found, one => one.Severity == PtxSeverity.Error);
        Assert.Contains(found, one => one.Message.Contains(message, StringComparison.Ordinal));
    }

    /// <summary>Forms of the PTX manual that no row of the tables has; they were not assembled.</summary>
    [Fact]
    public void OtherFormsOfTheManualAreClean() => Assert.All(Lines("PtxRules.valid.txt"), form => Assert.Empty(PtxForms.Check(form)));

    /// <summary>Mistakes against the PTX manual that no row of the tables has.</summary>
    [Fact]
    public void OtherMistakesAreErrors() => Assert.All(Lines("PtxRules.invalid.txt"), form => Assert.NotNull(PtxForms.Error(form)));

    [Theory]
    [InlineData("ld.global.v4.b32 {r0,r1,r2,r3},[rd0+16];")]
    [InlineData("st.shared.b32 [sm+1020],r0;")]
    [InlineData("fence.acq_rel.gpu;")]
    [InlineData("wgmma.wait_group.sync.aligned 7;")]
    [InlineData("mov.u32 r0,-1; mov.u32 r0,0xffffffff;")]
    public void CleanTextHasNoDiagnostics(string form) => Assert.Empty(PtxForms.Check(form));
}
