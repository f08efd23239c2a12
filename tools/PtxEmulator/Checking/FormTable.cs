using Llama4Kernels.PtxEmulator.Checking.Tables;
using Llama4Kernels.PtxEmulator.Parsing;

namespace Llama4Kernels.PtxEmulator.Checking;

/// <summary>All instruction forms, found by their opcode.</summary>
internal static class FormTable
{
    private static readonly ILookup<string, InstructionForm> s_forms = new[]
    {
        ArithmeticForms.Table, ConversionForms.Table, MemoryForms.Table, AtomicForms.Table, CopyForms.Table, BarrierForms.Table, ControlForms.Table, TensorForms.Table,
    }.SelectMany(FormParser.Read).ToLookup(form => form.Name, StringComparer.Ordinal);

    private static readonly HashSet<string> s_modifiers =
        [.. s_forms.SelectMany(forms => forms).SelectMany(form => form.Slots.SelectMany(slot => slot.Alternatives).Concat(form.Head.Skip(1)))];

    private static readonly HashSet<string> s_opcodes = [.. s_forms.Select(forms => forms.First().Head[0])];

    /// <summary>Rules of slots that mean the same wherever they stand.</summary>
    public static IReadOnlyList<FormRule> Common { get; } = [.. """
        scope=cluster -> sm_90 7.8
        space=shared::cta -> 7.8
        space=shared::cluster -> sm_90 7.8
        space=param::entry,param::func -> 8.3
        hint -> sm_80 7.4
        l1 -> 7.4
        pre -> 7.4
        pre=L2::64B,L2::128B -> sm_75
        pre=L2::256B -> sm_80
        type=b128 -> sm_70 8.3
        type=bf16,bf16x2 -> sm_80
        columns=row -> error Illegal blayout '.row' for instruction '$name'
        rows=col -> error Illegal alayout '.col' for instruction '$name'
        """.Split('\n').Select(FormParser.Rule)];

    /// <summary>Forms of the longest opcode that the instruction begins with; empty if there is none.</summary>
    public static IReadOnlyList<InstructionForm> Find(PtxInstruction instruction)
    {
        for (int words = instruction.Opcode.Count; words > 0; words--)
        {
            InstructionForm[] forms = [.. s_forms[string.Join('.', instruction.Opcode.Take(words))]];
            if (forms.Length > 0)
            {
                return forms;
            }
        }
        return [];
    }

    /// <summary>Whether any instruction has this modifier.</summary>
    public static bool IsModifier(string word) => s_modifiers.Contains(word);

    /// <summary>Whether an instruction begins with this word.</summary>
    public static bool IsOpcode(string word) => s_opcodes.Contains(word);

    /// <summary>PTX has these, but the tables do not describe them.</summary>
    public static bool IsUndescribed(string word) =>
        word is "tex" or "tld4" or "txq" or "suld" or "sust" or "sured" or "suq" or "istypep" or "wmma" or "tcgen05" or "clusterlaunchcontrol"
            or "alloca" or "stacksave" or "stackrestore" or "vadd" or "vsub" or "vabsdiff" or "vmin" or "vmax" or "vshl" or "vshr" or "vmad" or "vset"
            or "vadd2" or "vsub2" or "vavrg2" or "vabsdiff2" or "vmin2" or "vmax2" or "vset2" or "vadd4" or "vsub4" or "vavrg4" or "vabsdiff4" or "vmin4" or "vmax4" or "vset4";
}
