namespace Llama4Kernels.PtxEmulator.Numerics;

/// <summary>One form of mma.sync: shape and types. A is M x K by rows, B is K x N by columns.</summary>
internal readonly record struct MatrixForm(
    int M, int N, int K, MatrixElement A, MatrixElement B, bool HalfAccumulator, bool Saturate, bool Xor)
{
    /// <summary>Bits of one factor.</summary>
    public int ElementBits => A switch
    {
        MatrixElement.F64 => 64,
        MatrixElement.TF32 => 32,
        MatrixElement.F16 or MatrixElement.BF16 => 16,
        MatrixElement.S4 or MatrixElement.U4 => 4,
        MatrixElement.B1 => 1,
        _ => 8,
    };

    /// <summary>Factors in one register.</summary>
    public int PerRegister => Wide ? 1 : 32 / ElementBits;

    /// <summary>Whether registers have 64 bits.</summary>
    public bool Wide => A == MatrixElement.F64;

    public bool IsInteger => A is MatrixElement.S8 or MatrixElement.U8 or MatrixElement.S4 or MatrixElement.U4;

    public int ARegisters => M * K / PerRegister / 32;

    public int BRegisters => N * K / PerRegister / 32;

    /// <summary>Registers of C and of D.</summary>
    public int DRegisters => M * N / (HalfAccumulator ? 64 : 32);

    /// <summary>Multiplications and additions, or bit operations and counts.</summary>
    public long Flops => 2L * M * N * K;
}
