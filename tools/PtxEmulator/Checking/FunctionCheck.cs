using Llama4Kernels.PtxEmulator.Parsing;

namespace Llama4Kernels.PtxEmulator.Checking;

/// <summary>What an assembler takes without an error, but only a function as a whole shows.</summary>
internal static class FunctionCheck
{
    public static void Check(FunctionSymbol function, List<PtxDiagnostic> found)
    {
        void Warn(PtxInstruction at, string message) => found.Add(new PtxDiagnostic(at.Line, at.Column, PtxSeverity.Warning, message));
        PtxInstruction? First(string first, string second) => function.Body.Find(instruction => instruction.Opcode[0] == first && (second.Length == 0 || instruction.Opcode.ElementAtOrDefault(1) == second));
        bool Has(string directive) => function.Directives.ContainsKey(directive);

        // The wait of a group that nobody commits covers whatever the hardware counts.
        PtxInstruction? product = First("wgmma", "mma_async");
        if (product is not null && First("wgmma", "commit_group") is null)
        {
            Warn(product, $"'{function.Name}' has wgmma.mma_async and no wgmma.commit_group");
        }
        bool fixedAtEntry = Has("maxnreg") || ((Has("reqntid") || Has("maxntid")) && Has("minnctapersm")) || (Has("reqntid") && product is not null);
        if (function.IsEntry && !fixedAtEntry && First("setmaxnreg", "") is PtxInstruction change)
        {
            Warn(change, "'setmaxnreg' ignored; unable to determine register count at entry");
        }
    }
}
