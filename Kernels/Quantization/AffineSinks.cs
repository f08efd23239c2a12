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

/// <summary>Adds weights times four tokens' activations: one structure of plain fields, which the compiler keeps in registers.</summary>
internal unsafe struct FourDots<TL, TF, TU>(float* a, float* b, float* c, float* d) : IAffineSink<TF>
    where TL : struct, IAffineLanes<TF, TU>
    where TF : unmanaged
    where TU : unmanaged
{
    public TF A0, A1, B0, B1, C0, C1, D0, D1;

    /// <summary>Begins at sums of up to four tokens, rows <paramref name="stride"/> apart; those of missing ones are the first's.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Begin(float* sums, int stride, int count)
    {
        float* third = count > 2 ? sums + 2 * stride : sums, fourth = count > 3 ? sums + 3 * stride : sums;
        A0 = TL.Load(sums);
        A1 = TL.Load(sums + TL.Count);
        B0 = TL.Load(sums + stride);
        B1 = TL.Load(sums + stride + TL.Count);
        C0 = TL.Load(third);
        C1 = TL.Load(third + TL.Count);
        D0 = TL.Load(fourth);
        D1 = TL.Load(fourth + TL.Count);
    }

    /// <summary>Stores the sums of as many tokens as there are.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly void End(float* sums, int stride, int count)
    {
        TL.Store(A0, sums);
        TL.Store(A1, sums + TL.Count);
        TL.Store(B0, sums + stride);
        TL.Store(B1, sums + stride + TL.Count);
        if (count > 2)
        {
            TL.Store(C0, sums + 2 * stride);
            TL.Store(C1, sums + 2 * stride + TL.Count);
        }
        if (count > 3)
        {
            TL.Store(D0, sums + 3 * stride);
            TL.Store(D1, sums + 3 * stride + TL.Count);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Take(int column, TF first, TF second)
    {
        TF value = TL.Spread(a[column]);
        A0 = TL.MultiplyAdd(first, value, A0);
        A1 = TL.MultiplyAdd(second, value, A1);
        value = TL.Spread(b[column]);
        B0 = TL.MultiplyAdd(first, value, B0);
        B1 = TL.MultiplyAdd(second, value, B1);
        value = TL.Spread(c[column]);
        C0 = TL.MultiplyAdd(first, value, C0);
        C1 = TL.MultiplyAdd(second, value, C1);
        value = TL.Spread(d[column]);
        D0 = TL.MultiplyAdd(first, value, D0);
        D1 = TL.MultiplyAdd(second, value, D1);
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
