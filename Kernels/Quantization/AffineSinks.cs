using System.Runtime.CompilerServices;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>Takes the weights of a column, two vectors of rows at a time.</summary>
internal interface IAffineSink<TF>
    where TF : struct
{
    void Take(int column, TF first, TF second);
}

/// <summary>Adds weights times one token's activations to two accumulators.</summary>
internal unsafe struct DotSink<TL, TF, TU>(float* x) : IAffineSink<TF>
    where TL : struct, IAffineLanes<TF, TU>
    where TF : unmanaged
    where TU : unmanaged
{
    public TF First;
    public TF Second;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Take(int column, TF first, TF second)
    {
        TF value = TL.Spread(x[column]);
        First = TL.MultiplyAdd(first, value, First);
        Second = TL.MultiplyAdd(second, value, Second);
    }
}

/// <summary>Hands the weights to two sinks: dot products with several tokens.</summary>
internal struct Both<TF, TFirst, TSecond>(TFirst first, TSecond second) : IAffineSink<TF>
    where TF : struct
    where TFirst : struct, IAffineSink<TF>
    where TSecond : struct, IAffineSink<TF>
{
    public TFirst A = first;
    public TSecond B = second;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Take(int column, TF first, TF second)
    {
        A.Take(column, first, second);
        B.Take(column, first, second);
    }
}

/// <summary>Stores weights, a column after the other.</summary>
internal readonly unsafe struct StoreSink<TL, TF, TU>(float* to) : IAffineSink<TF>
    where TL : struct, IAffineLanes<TF, TU>
    where TF : unmanaged
    where TU : unmanaged
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Take(int column, TF first, TF second)
    {
        TL.Store(first, to + column * AffineLayout.PanelRows);
        TL.Store(second, to + column * AffineLayout.PanelRows + TL.Count);
    }
}
