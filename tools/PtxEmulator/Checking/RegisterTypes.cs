using Llama4Kernels.PtxEmulator.Parsing;

namespace Llama4Kernels.PtxEmulator.Checking;

/// <summary>Which declared register types go with which operand types.</summary>
internal static class RegisterTypes
{
    // Operand types that are stricter than their size: the declarations they take.
    private static readonly Dictionary<string, string[]> s_declared = new(StringComparer.Ordinal)
    {
        ["pred"] = ["pred"],
        ["f16"] = ["f16", "b16"],
        ["bf16"] = ["b16"],
        ["f16x2"] = ["f16x2", "b32"],
        ["bf16x2"] = ["b32"],
        ["f32x2"] = ["b64"],
        ["u16x2"] = ["b32", "u32", "s32"],
        ["s16x2"] = ["b32", "u32", "s32"],
        ["tf32"] = ["b32"],
        ["e4m3x2"] = ["b16"],
        ["e5m2x2"] = ["b16"],
        ["e4m3x4"] = ["b32"],
        ["e5m2x4"] = ["b32"],
        // Fragments of tensor instructions, and what ldmatrix and stmatrix move.
        ["fragment"] = ["b32"],
        ["matrix"] = ["b32", "f32"],
    };

    /// <summary>Whether a word is an operand type.</summary>
    public static bool IsOperandType(string type) => s_declared.ContainsKey(type) || PtxTypes.Bits(type) > 0;

    /// <summary>Bits of an operand type.</summary>
    public static int Bits(string type) => s_declared.TryGetValue(type, out string[]? declared) ? PtxTypes.Bits(declared[0]) : PtxTypes.Bits(type);

    /// <summary>Whether a register of a declared type may stand for an operand type.</summary>
    /// <param name="declared">The type after <c>.reg</c>.</param>
    /// <param name="operand">The operand's type.</param>
    /// <param name="wider">Integers and untyped data may lie in a wider register, as in loads, stores and conversions.</param>
    public static bool Accepts(string declared, string operand, bool wider)
    {
        if (s_declared.TryGetValue(operand, out string[]? exact))
        {
            return exact.Contains(declared);
        }
        int have = PtxTypes.Bits(declared);
        int need = PtxTypes.Bits(operand);
        char kind = operand[0];
        bool untyped = declared[0] == 'b' && declared[1] != 'f';
        if (declared == "pred" || have < need)
        {
            return false;
        }
        if (have > need)
        {
            return wider && kind != 'f' && (untyped || declared[0] is 'u' or 's');
        }
        return untyped || kind == 'b' || (kind == 'f' ? declared[0] == 'f' : declared[0] is 'u' or 's');
    }
}
