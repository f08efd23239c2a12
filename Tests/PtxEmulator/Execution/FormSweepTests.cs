using Llama4Kernels.PtxEmulator.Execution;
using Llama4Kernels.PtxEmulator.Findings;
using Llama4Kernels.PtxEmulator.Parsing;

namespace Llama4Kernels.Tests.PtxEmulator.Execution;

/// <summary>Every probed form that an assembler takes for Hopper is decoded, but for families that are parsed only.</summary>
public class FormSweepTests
{
    /// <summary>Opcodes and modifiers that are not executed; what carries none of them must be.</summary>
    private static readonly string[] s_parsedOnly =
    [
        "cluster", "shared::cluster", "mapa", "getctarank", "elect", "stmatrix", "setmaxnreg", "wgmma", "tensormap", "multimem",
        "bulk", "st.async", "red.async", "expect_tx", "complete_tx", "try_wait", "mbarrier_init", "proxy", "mma.sp", "oob",
        "mma.sync.aligned.m8n8k4.row.col.f32.f16.f16.f32",
    ];

    [Fact]
    public void EveryFormIsDecodedOrOfANamedFamily()
    {
        PtxForms[] rows = [.. PtxForms.All.Where(row => row.OnHopper)];
        Assert.True(rows.Length > 600);
        Assert.All(rows, row =>
        {
            if (Refusal(row.Form) is PtxNotImplementedException refusal)
            {
                // The text names the opcode; a register that only a cluster has is named by the form.
                Assert.StartsWith(refusal.Opcode, row.Form, StringComparison.Ordinal);
                Assert.Contains(s_parsedOnly, family => row.Form.Contains(family, StringComparison.Ordinal));
            }
        });
    }

    [Fact]
    public void EveryNamedFamilyIsRefusedSomewhere()
    {
        string[] refused = [.. PtxForms.All.Where(row => row.OnHopper && Refusal(row.Form) is not null).Select(row => row.Form)];
        Assert.All(s_parsedOnly, family => Assert.Contains(refused, form => form.Contains(family, StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("tex.2d.v4.f32.f32 {f0,f1,f2,f3},[tmap,{f4,f5}];", "tex.2d.v4.f32.f32")]
    [InlineData("wmma.load.a.sync.aligned.m16n16k16.global.row.f16 {r0,r1,r2,r3,r4,r5,r6,r7},[rd0],r8;", "wmma.load.a.sync.aligned.m16n16k16.global.row.f16")]
    [InlineData("suld.b.1d.b32.trap r0,[tmap,{r1}];", "suld.b.1d.b32.trap")]
    [InlineData("alloca.u64 rd0,rd1;", "alloca.u64")]
    public void OtherFamiliesAreRefusedByName(string form, string opcode) => Assert.Equal(opcode, Refusal(form)?.Opcode);

    [Fact]
    public void SpecialRegistersAreRead()
    {
        string[] lines = File.ReadAllLines(GoldenFiles.Path("ptx-forms", "special-registers.ptx"));
        string[] forms = [.. lines.Select(line => line.Trim()).Where(line => line.StartsWith("mov.", StringComparison.Ordinal)).Select(line => line[..(line.IndexOf(';', StringComparison.Ordinal) + 1)])];
        Assert.True(forms.Length > 20);
        Assert.All(forms, form => Assert.Equal(form.Contains("cluster", StringComparison.Ordinal), Refusal(form) is not null));
        Assert.Null(Refusal("mov.b32 r0,%envreg31; mov.u32 r1,%pm7; mov.u64 rd0,%pm0_64; mov.u32 r2,%clock_hi; mov.u32 r3,%globaltimer_hi; mov.u32 r4,%nsmid; mov.u32 r5,WARP_SZ;"));
    }

    private static PtxNotImplementedException? Refusal(string form)
    {
        using var memory = new GlobalMemory();
        using PtxProgram program = PtxProgram.Load(PtxModule.Parse(PtxForms.Module(form)), memory);
        try
        {
            program.Kernel("k")!.Decode();
            return null;
        }
        catch (PtxNotImplementedException exception)
        {
            return exception;
        }
    }
}
