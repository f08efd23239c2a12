using System.Runtime.CompilerServices;

namespace Llama4Kernels.PtxEmulator.Numerics;

/// <summary>Floating-point comparisons by name and by value; narrower types compare as doubles.</summary>
internal static class FloatComparison
{
    /// <summary>The comparison of an opcode piece without its dot, such as "ltu".</summary>
    public static bool TryParse(string piece, out FloatCompare compare)
    {
        FloatCompare? found = piece switch
        {
            "eq" => FloatCompare.Eq,
            "ne" => FloatCompare.Ne,
            "lt" => FloatCompare.Lt,
            "le" => FloatCompare.Le,
            "gt" => FloatCompare.Gt,
            "ge" => FloatCompare.Ge,
            "equ" => FloatCompare.Equ,
            "neu" => FloatCompare.Neu,
            "ltu" => FloatCompare.Ltu,
            "leu" => FloatCompare.Leu,
            "gtu" => FloatCompare.Gtu,
            "geu" => FloatCompare.Geu,
            "num" => FloatCompare.Num,
            "nan" => FloatCompare.NaN,
            _ => null,
        };
        compare = found ?? default;
        return found is not null;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Holds(FloatCompare compare, double a, double b) => compare switch
    {
        FloatCompare.Eq => a == b,
        FloatCompare.Ne => a < b || a > b,
        FloatCompare.Lt => a < b,
        FloatCompare.Le => a <= b,
        FloatCompare.Gt => a > b,
        FloatCompare.Ge => a >= b,
        FloatCompare.Equ => !(a < b || a > b),
        FloatCompare.Neu => a != b,
        FloatCompare.Ltu => !(a >= b),
        FloatCompare.Leu => !(a > b),
        FloatCompare.Gtu => !(a <= b),
        FloatCompare.Geu => !(a < b),
        FloatCompare.Num => !double.IsNaN(a) && !double.IsNaN(b),
        FloatCompare.NaN => double.IsNaN(a) || double.IsNaN(b),
        _ => throw new ArgumentOutOfRangeException(nameof(compare)),
    };
}
