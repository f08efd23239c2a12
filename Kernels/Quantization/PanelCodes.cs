using System.Runtime.CompilerServices;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>How bytes of a panel of <see cref="MatMul.PackedMatrix"/> become the numbers of codes, before any scale.</summary>
internal unsafe interface IPanelCodes
{
    /// <summary>Columns of a step.</summary>
    static abstract int Columns { get; }

    /// <summary>Whether none of so many bytes has a code of NaN.</summary>
    static abstract bool AreFinite(byte* codes, int bytes);

    /// <summary>Hands the columns of a step without a NaN to a sink, two vectors of rows.</summary>
    static abstract void Step<TL, TF, TU, TSink>(byte* codes, int step, ref TSink sink)
        where TL : struct, IAffineLanes<TF, TU>
        where TF : unmanaged
        where TU : unmanaged
        where TSink : struct, IAffineSink<TF>;

    /// <summary>The same of a step that may have one.</summary>
    static abstract void StepOfAny<TL, TF, TU, TSink>(byte* codes, int step, ref TSink sink)
        where TL : struct, IAffineLanes<TF, TU>
        where TF : unmanaged
        where TU : unmanaged
        where TSink : struct, IAffineSink<TF>;
}

/// <summary>Signed codes of four bits: a pair of columns, the even one in the low half.</summary>
internal readonly unsafe struct PairedHalves : IPanelCodes
{
    public static int Columns => 2;

    public static bool AreFinite(byte* codes, int bytes) => true;

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

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StepOfAny<TL, TF, TU, TSink>(byte* codes, int step, ref TSink sink)
        where TL : struct, IAffineLanes<TF, TU>
        where TF : unmanaged
        where TU : unmanaged
        where TSink : struct, IAffineSink<TF> => Step<TL, TF, TU, TSink>(codes, step, ref sink);
}

/// <summary>E4M3: a column.</summary>
internal readonly unsafe struct FloatingBytes : IPanelCodes
{
    private const byte NaN = 0x7f, NegativeNaN = 0xff;

    public static int Columns => 1;

    /// <summary>Seldom there, so that it pays to look first and to decode without them.</summary>
    public static bool AreFinite(byte* codes, int bytes) => !new ReadOnlySpan<byte>(codes, bytes).ContainsAny(NaN, NegativeNaN);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Step<TL, TF, TU, TSink>(byte* codes, int step, ref TSink sink)
        where TL : struct, IAffineLanes<TF, TU>
        where TF : unmanaged
        where TU : unmanaged
        where TSink : struct, IAffineSink<TF> => sink.Take(step, TL.FiniteFp8(codes), TL.FiniteFp8(codes + TL.Count));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StepOfAny<TL, TF, TU, TSink>(byte* codes, int step, ref TSink sink)
        where TL : struct, IAffineLanes<TF, TU>
        where TF : unmanaged
        where TU : unmanaged
        where TSink : struct, IAffineSink<TF> => sink.Take(step, TL.Fp8(TL.Bytes(codes)), TL.Fp8(TL.Bytes(codes + TL.Count)));
}
