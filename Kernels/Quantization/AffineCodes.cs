using System.Runtime.CompilerServices;
using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>A code's value becomes a weight.</summary>
internal interface IAffineMap
{
    static abstract TF Weight<TL, TF, TU>(TF value, TF scale, TF offset)
        where TL : struct, IAffineLanes<TF, TU>
        where TF : struct
        where TU : struct;
}

/// <summary>w = s·c + β. Without an offset β is −0, which changes nothing.</summary>
internal readonly struct AddedOffset : IAffineMap
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static TF IAffineMap.Weight<TL, TF, TU>(TF value, TF scale, TF offset)
        => TL.MultiplyAdd(value, scale, offset);
}

/// <summary>w = (c − z)·s.</summary>
internal readonly struct ZeroPoint : IAffineMap
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static TF IAffineMap.Weight<TL, TF, TU>(TF value, TF scale, TF offset)
        => TL.Multiply(TL.Subtract(value, offset), scale);
}

/// <summary>What codes stand for, as vectors: a table, or the number that the code bits of a float are above.</summary>
internal readonly unsafe ref struct AffineValues<TF>(TF low, TF high, TF minus, float* table)
    where TF : struct
{
    public readonly TF Low = low;
    public readonly TF High = high;
    public readonly TF Minus = minus;
    public readonly float* Table = table;
}

/// <summary>Reads codes of some bits from words in the order of <see cref="CodeWords"/>.</summary>
internal unsafe interface IAffineCodes
{
    /// <summary>Columns of a step.</summary>
    static abstract int Columns { get; }

    /// <summary>
    /// Hands the weights of the columns from <paramref name="column"/> of a slab on to the sink, which counts them from
    /// <paramref name="first"/>. The words begin at the first of two vectors of rows.
    /// </summary>
    static abstract void Step<TL, TF, TU, TMap, TSink>(uint* words, int column, int first, in AffineValues<TF> values, TF scale0, TF scale1, TF offset0, TF offset1, ref TSink sink)
        where TL : struct, IAffineLanes<TF, TU>
        where TF : struct
        where TU : struct
        where TMap : struct, IAffineMap
        where TSink : struct, IAffineSink<TF>;
}

/// <summary>Constants and the dispatch that reading codes shares.</summary>
internal static class AffineCodes
{
    /// <summary>The bits of 2²³: below it a code is a number as it stands.</summary>
    public const uint Magic = 0x4b00_0000;

    /// <summary>2²³ and, for centred codes, half the range.</summary>
    public static float Minus(WeightEncoding encoding, int bits) => 8388608f + (encoding == WeightEncoding.Integer ? 1 << (bits - 1) : 0);
}
