namespace Llama4Kernels.PtxEmulator.Numerics;

/// <summary>The comparisons of setp, set and slct on floating point; those with U also hold if an operand is NaN.</summary>
internal enum FloatCompare
{
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    Equ,
    Neu,
    Ltu,
    Leu,
    Gtu,
    Geu,
    Num,
    NaN,
}
