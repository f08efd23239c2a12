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

    // Textures, surfaces, video instructions, the older matrix instructions, the newer tensor ones.
    private static readonly Dictionary<string, Requirement> s_undescribed = """
        sm_70: tex tld4 txq suld sust sured suq istypep wmma
        sm_70: vadd vsub vabsdiff vmin vmax vshl vshr vmad vset
        sm_70: vadd2 vsub2 vavrg2 vabsdiff2 vmin2 vmax2 vset2 vadd4 vsub4 vavrg4 vabsdiff4 vmin4 vmax4 vset4
        sm_70 7.3: alloca stacksave stackrestore
        sm_100 8.6: clusterlaunchcontrol
        sm_100a 8.6: tcgen05
        """.Split('\n').Select(line => line.Split(": ")).SelectMany(
            halves => halves[1].Split(' ').Select(word => (word, Needs: Requirement.Parse(halves[0].Split(' ')) ?? throw new FormatException(halves[0]))))
        .ToDictionary(entry => entry.word, entry => entry.Needs, StringComparer.Ordinal);

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

    /// <summary>What an instruction needs that PTX has and the tables do not describe; null for any other word.</summary>
    public static Requirement? Undescribed(string word) => s_undescribed.GetValueOrDefault(word);
}
