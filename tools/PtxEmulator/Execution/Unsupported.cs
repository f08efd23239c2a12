using Llama4Kernels.PtxEmulator.Parsing;

namespace Llama4Kernels.PtxEmulator.Execution;

/// <summary>Families that are parsed and not executed: clusters, transaction barriers, bulk and tensor copies, wgmma.</summary>
internal static class Unsupported
{
    private static readonly HashSet<string> s_names =
        ["mapa", "getctarank", "elect", "stmatrix", "wgmma", "setmaxnreg", "tensormap", "multimem", "wmma", "tex", "suld", "sust", "alloca", "stacksave", "stackrestore"];

    private static readonly HashSet<string> s_pieces =
        ["cluster", "shared::cluster", "bulk", "expect_tx", "complete_tx", "try_wait", "mbarrier_init", "proxy", "sp", "sp::ordered_metadata"];

    /// <summary>The instructions that are not executed, one for each opcode: by opcode, else those that read a cluster's registers.</summary>
    public static IReadOnlyList<PtxInstruction> In(IReadOnlyList<PtxInstruction> body)
    {
        PtxInstruction[] found = [.. body.Where(IsOpcode).DistinctBy(instruction => instruction.Text)];
        return found.Length > 0 ? found : [.. body.Where(instruction => instruction.Operands.Any(IsClusterRegister)).Take(1)];
    }

    private static bool IsClusterRegister(PtxOperand operand) =>
        operand.Name.StartsWith('%') && operand.Name.Contains("cluster", StringComparison.Ordinal);

    private static bool IsOpcode(PtxInstruction instruction) =>
        s_names.Contains(instruction.Opcode[0])
        || (instruction.Opcode.Any(s_pieces.Contains) && !instruction.Opcode.Contains("alias"))
        || (instruction.Opcode.Contains("async") && instruction.Opcode[0] is "st" or "red");
}
