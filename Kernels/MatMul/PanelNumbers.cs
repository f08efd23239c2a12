using System.Runtime.CompilerServices;
using Llama4Kernels.Kernels.Quantization;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>How words of a panel are numbers.</summary>
internal unsafe interface IPanelNumbers
{
    /// <summary>Hands the columns of a step to a sink, two vectors of rows.</summary>
    static abstract void Step<TL, TF, TU, TSink>(uint* words, int step, ref TSink sink)
        where TL : struct, IAffineLanes<TF, TU>
        where TF : unmanaged
        where TU : unmanaged
        where TSink : struct, IAffineSink<TF>;
}

/// <summary>float32: a column.</summary>
internal readonly unsafe struct WholeWords : IPanelNumbers
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Step<TL, TF, TU, TSink>(uint* words, int step, ref TSink sink)
        where TL : struct, IAffineLanes<TF, TU>
        where TF : unmanaged
        where TU : unmanaged
        where TSink : struct, IAffineSink<TF> => sink.Take(step, TL.Load((float*)words), TL.Load((float*)words + TL.Count));
}

/// <summary>bfloat16: a pair of columns.</summary>
internal readonly unsafe struct HalfWords : IPanelNumbers
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Step<TL, TF, TU, TSink>(uint* words, int step, ref TSink sink)
        where TL : struct, IAffineLanes<TF, TU>
        where TF : unmanaged
        where TU : unmanaged
        where TSink : struct, IAffineSink<TF>
    {
        TU first = TL.Words(words), second = TL.Words(words + TL.Count);
        sink.Take(2 * step, TL.LowHalf(first), TL.LowHalf(second));
        sink.Take(2 * step + 1, TL.HighHalf(first), TL.HighHalf(second));
    }
}
