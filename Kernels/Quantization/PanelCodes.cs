using System.Runtime.CompilerServices;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>How bytes of a panel of <see cref="MatMul.PackedMatrix"/> become the numbers of codes, before any scale.</summary>
internal unsafe interface IPanelCodes
{
    /// <summary>Columns of a step.</summary>
    static abstract int Columns { get; }

    /// <summary>Hands the columns of a step to a sink, two vectors of rows.</summary>
    static abstract void Step<TL, TF, TU, TSink>(byte* codes, int step, ref TSink sink)
        where TL : struct, IAffineLanes<TF, TU>
        where TF : unmanaged
        where TU : unmanaged
        where TSink : struct, IAffineSink<TF>;
}

/// <summary>Signed codes of four bits: a pair of columns, the even one in the low half.</summary>
internal readonly unsafe struct PairedHalves : IPanelCodes
{
    public static int Columns => 2;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Step<TL, TF, TU, TSink>(byte* codes, int step, ref TSink sink)
        where TL : struct, IAffineLanes<TF, TU>
        where TF : unmanaged
        where TU : unmanaged
        where TSink : struct, IAffineSink<TF>
    {
        TU first = TL.Bytes(codes), second = TL.Bytes(codes + TL.Count);
        sink.Take(2 * step, TL.Signed(first, 28), TL.Signed(second, 28));
        sink.Take(2 * step + 1, TL.Signed(first, 24), TL.Signed(second, 24));
    }
}

/// <summary>E4M3: a column.</summary>
internal readonly unsafe struct FloatingBytes : IPanelCodes
{
    public static int Columns => 1;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Step<TL, TF, TU, TSink>(byte* codes, int step, ref TSink sink)
        where TL : struct, IAffineLanes<TF, TU>
        where TF : unmanaged
        where TU : unmanaged
        where TSink : struct, IAffineSink<TF> => sink.Take(step, TL.Fp8(TL.Bytes(codes)), TL.Fp8(TL.Bytes(codes + TL.Count)));
}
