namespace Llama4Kernels.PtxEmulator.Numerics;

internal static partial class MatrixMultiply
{
    /// <summary>
    /// Finds the form of an opcode's pieces, ("mma", "sync", "aligned", shape, "row", "col", ["satfinite",] D, A, B, C) with
    /// ("and" or "xor", "popc") after b1. False for forms that sm_90a refuses, and for m8n8k4 of f16, which no current compiler emits.
    /// </summary>
    public static bool TryGet(IReadOnlyList<string> opcode, out MatrixForm form)
    {
        form = default;
        if (opcode.Count < 10 || opcode[0] != "mma" || opcode[1] != "sync" || opcode[2] != "aligned" || opcode[4] != "row" || opcode[5] != "col")
        {
            return false;
        }

        var saturate = opcode[6] == "satfinite";
        var types = saturate ? 7 : 6;
        if (opcode.Count < types + 4
            || Element(opcode[types + 1]) is not { } a
            || Element(opcode[types + 2]) is not { } b
            || Shape(opcode[3]) is not { } shape)
        {
            return false;
        }

        var rest = opcode.Count - types - 4;
        var binary = a == MatrixElement.B1;
        if (binary ? rest != 2 || opcode[^1] != "popc" || opcode[^2] is not ("and" or "xor") : rest != 0)
        {
            return false;
        }

        var accumulator = opcode[types];
        form = new(shape.M, 8, shape.K, a, b, accumulator == "f16", saturate, binary && opcode[^2] == "xor");
        return opcode[types + 3] == accumulator && PairFits(a, b) && AccumulatorFits(form, accumulator) && ShapeFits(form)
            && (!saturate || form.IsInteger);
    }

    private static MatrixElement? Element(string type) => type switch
    {
        "f16" => MatrixElement.F16,
        "bf16" => MatrixElement.BF16,
        "tf32" => MatrixElement.TF32,
        "e4m3" => MatrixElement.E4M3,
        "e5m2" => MatrixElement.E5M2,
        "s8" => MatrixElement.S8,
        "u8" => MatrixElement.U8,
        "s4" => MatrixElement.S4,
        "u4" => MatrixElement.U4,
        "b1" => MatrixElement.B1,
        "f64" => MatrixElement.F64,
        _ => null,
    };

    private static (int M, int K)? Shape(string shape) => shape switch
    {
        "m8n8k4" => (8, 4),
        "m8n8k16" => (8, 16),
        "m8n8k32" => (8, 32),
        "m8n8k128" => (8, 128),
        "m16n8k4" => (16, 4),
        "m16n8k8" => (16, 8),
        "m16n8k16" => (16, 16),
        "m16n8k32" => (16, 32),
        "m16n8k64" => (16, 64),
        "m16n8k128" => (16, 128),
        "m16n8k256" => (16, 256),
        _ => null,
    };

    private static bool PairFits(MatrixElement a, MatrixElement b) => a == b || (a, b) is
        (MatrixElement.S8, MatrixElement.U8) or (MatrixElement.U8, MatrixElement.S8)
        or (MatrixElement.S4, MatrixElement.U4) or (MatrixElement.U4, MatrixElement.S4)
        or (MatrixElement.E4M3, MatrixElement.E5M2) or (MatrixElement.E5M2, MatrixElement.E4M3);

    private static bool AccumulatorFits(in MatrixForm form, string accumulator) => form.A switch
    {
        MatrixElement.F64 => accumulator == "f64",
        MatrixElement.TF32 or MatrixElement.BF16 => accumulator == "f32",
        MatrixElement.F16 or MatrixElement.E4M3 or MatrixElement.E5M2 => accumulator is "f32" or "f16",
        _ => accumulator == "s32",
    };

    private static bool ShapeFits(in MatrixForm form) => (form.A, form.M) switch
    {
        (MatrixElement.F64, 8) => form.K == 4,
        (MatrixElement.F64, _) => form.K is 4 or 8 or 16,
        (MatrixElement.TF32, 16) => form.K is 4 or 8,
        (MatrixElement.F16 or MatrixElement.BF16, 16) => form.K is 8 or 16,
        (MatrixElement.E4M3 or MatrixElement.E5M2, 16) => form.K is 16 or 32,
        (MatrixElement.S8 or MatrixElement.U8, 8) => form.K == 16,
        (MatrixElement.S8 or MatrixElement.U8, 16) => form.K is 16 or 32,
        (MatrixElement.S4 or MatrixElement.U4, 8) => form.K == 32,
        (MatrixElement.S4 or MatrixElement.U4, 16) => form.K is 32 or 64,
        (MatrixElement.B1, 8) => form.K == 128,
        (MatrixElement.B1, 16) => form.K is 128 or 256,
        _ => false,
    };
}
