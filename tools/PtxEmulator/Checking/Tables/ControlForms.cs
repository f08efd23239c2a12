namespace Llama4Kernels.PtxEmulator.Checking.Tables;

/// <summary>Control flow and the rest. How to read it: <see cref="FormParser"/>.</summary>
internal static class ControlForms
{
    public const string Table = """
        bra .uni? | label |
        brx.idx .uni? | s:u32 targets |
        call .uni? | * |
        ret .uni? | |
        exit | |
        trap | |
        brkpt | |
        pmevent | i:u32{0..15} |
        pmevent .mask | i:u32 |
        nanosleep type=u32 | s:u32 | sm_70 6.2
        griddepcontrol op=wait,launch_dependents | | sm_90 7.8
        setmaxnreg op=inc,dec .sync .aligned type=u32 | i:u32{24..256%8} | sm_90a 8.0
        """;
}
