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

/// <summary>As <see cref="DotSink{TL, TF, TU}"/> for two tokens.</summary>
internal unsafe struct DotSink2<TL, TF, TU>(float* x0, float* x1) : IAffineSink<TF>
    where TL : struct, IAffineLanes<TF, TU>
    where TF : unmanaged
    where TU : unmanaged
{
    public TF First0;
    public TF Second0;
    public TF First1;
    public TF Second1;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Take(int column, TF first, TF second)
    {
        TF v0 = TL.Spread(x0[column]), v1 = TL.Spread(x1[column]);
        First0 = TL.MultiplyAdd(first, v0, First0);
        Second0 = TL.MultiplyAdd(second, v0, Second0);
        First1 = TL.MultiplyAdd(first, v1, First1);
        Second1 = TL.MultiplyAdd(second, v1, Second1);
    }
}

/// <summary>As <see cref="DotSink{TL, TF, TU}"/> for four tokens.</summary>
internal unsafe struct DotSink4<TL, TF, TU>(float* x0, float* x1, float* x2, float* x3) : IAffineSink<TF>
    where TL : struct, IAffineLanes<TF, TU>
    where TF : unmanaged
    where TU : unmanaged
{
    public TF First0;
    public TF Second0;
    public TF First1;
    public TF Second1;
    public TF First2;
    public TF Second2;
    public TF First3;
    public TF Second3;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Take(int column, TF first, TF second)
    {
        TF v0 = TL.Spread(x0[column]), v1 = TL.Spread(x1[column]), v2 = TL.Spread(x2[column]), v3 = TL.Spread(x3[column]);
        First0 = TL.MultiplyAdd(first, v0, First0);
        Second0 = TL.MultiplyAdd(second, v0, Second0);
        First1 = TL.MultiplyAdd(first, v1, First1);
        Second1 = TL.MultiplyAdd(second, v1, Second1);
        First2 = TL.MultiplyAdd(first, v2, First2);
        Second2 = TL.MultiplyAdd(second, v2, Second2);
        First3 = TL.MultiplyAdd(first, v3, First3);
        Second3 = TL.MultiplyAdd(second, v3, Second3);
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
