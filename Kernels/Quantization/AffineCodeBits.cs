using System.Runtime.CompilerServices;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>The value that the low bits of words stand for.</summary>
internal interface IAffineConversion
{
    static abstract TF Of<TL, TF, TU>(TU words, uint mask, in AffineValues<TF> values)
        where TL : struct, IAffineLanes<TF, TU>
        where TF : struct
        where TU : struct;
}

/// <summary>A table of 16 values: codes of four bits, or fewer if the table repeats.</summary>
internal readonly unsafe struct Looked : IAffineConversion
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static TF IAffineConversion.Of<TL, TF, TU>(TU words, uint mask, in AffineValues<TF> values)
        => TL.Look(words, values.Low, values.High, values.Table);
}

/// <summary>Integers.</summary>
internal readonly struct Counted : IAffineConversion
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static TF IAffineConversion.Of<TL, TF, TU>(TU words, uint mask, in AffineValues<TF> values)
        => TL.Number(words, mask, values.Minus);
}

/// <summary>E4M3 floats.</summary>
internal readonly struct Floating : IAffineConversion
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static TF IAffineConversion.Of<TL, TF, TU>(TU words, uint mask, in AffineValues<TF> values)
        => TL.Fp8(words);
}

/// <summary>A number of bits that is known when code is compiled.</summary>
internal interface IBitCount
{
    static abstract int Bits { get; }
}

/// <summary>Two bits.</summary>
internal readonly struct Two : IBitCount
{
    public static int Bits => 2;
}

/// <summary>Four bits.</summary>
internal readonly struct Four : IBitCount
{
    public static int Bits => 4;
}

/// <summary>Eight bits.</summary>
internal readonly struct Eight : IBitCount
{
    public static int Bits => 8;
}

/// <summary>Codes whose bits divide 32.</summary>
internal readonly unsafe struct EvenCodes<TBits, TConversion> : IAffineCodes
    where TBits : struct, IBitCount
    where TConversion : struct, IAffineConversion
{
    public static int Columns => 32 / TBits.Bits;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void IAffineCodes.Step<TL, TF, TU, TMap, TSink>(uint* words, int column, int first, in AffineValues<TF> values, TF scale0, TF scale1, TF offset0, TF offset1, ref TSink sink)
    {
        words += (uint)column / (uint)Columns * AffineLayout.PanelRows;
        TU a = TL.Words(words), b = TL.Words(words + TL.Count);
        // Literals, so that shifts have immediate operands: what the type says is known to the compiler too late for that.
        switch (TBits.Bits)
        {
            case 2:
                CodeSteps.Run<TL, TF, TU, TConversion, TMap, TSink>(ref a, ref b, 2, 16, first, values, scale0, scale1, offset0, offset1, ref sink);
                break;
            case 4:
                CodeSteps.Run<TL, TF, TU, TConversion, TMap, TSink>(ref a, ref b, 4, 8, first, values, scale0, scale1, offset0, offset1, ref sink);
                break;
            default:
                CodeSteps.Run<TL, TF, TU, TConversion, TMap, TSink>(ref a, ref b, 8, 4, first, values, scale0, scale1, offset0, offset1, ref sink);
                break;
        }
    }
}

/// <summary>Codes of three bits.</summary>
internal readonly unsafe struct ThreeBitCodes<TConversion> : IAffineCodes
    where TConversion : struct, IAffineConversion
{
    private const int Bits = 3;
    private const int Rows = AffineLayout.PanelRows;

    public static int Columns => 16;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void IAffineCodes.Step<TL, TF, TU, TMap, TSink>(uint* words, int column, int first, in AffineValues<TF> values, TF scale0, TF scale1, TF offset0, TF offset1, ref TSink sink)
    {
        words += (uint)column / 32u * (3 * Rows);
        bool upper = (column & 16) != 0;
        uint* own = upper ? words + Rows : words;
        TU a = TL.Words(own), b = TL.Words(own + TL.Count);
        CodeSteps.Run<TL, TF, TU, TConversion, TMap, TSink>(ref a, ref b, Bits, 10, first, values, scale0, scale1, offset0, offset1, ref sink);
        TU c = TL.Words(words + 2 * Rows), d = TL.Words(words + 2 * Rows + TL.Count);
        if (upper)
        {
            a = TL.Join(a, TL.Right(c, 31), 2);
            b = TL.Join(b, TL.Right(d, 31), 2);
            c = TL.Right(c, 15);
            d = TL.Right(d, 15);
        }
        else
        {
            a = TL.Join(a, TL.Right(c, 30), 2);
            b = TL.Join(b, TL.Right(d, 30), 2);
        }
        CodeSteps.Run<TL, TF, TU, TConversion, TMap, TSink>(ref c, ref d, Bits, 5, first + 10, values, scale0, scale1, offset0, offset1, ref sink);
        CodeSteps.One<TL, TF, TU, TConversion, TMap, TSink>(a, b, (1u << Bits) - 1, first + 15, values, scale0, scale1, offset0, offset1, ref sink);
    }
}

/// <summary>Codes of five bits.</summary>
internal readonly unsafe struct FiveBitCodes<TConversion> : IAffineCodes
    where TConversion : struct, IAffineConversion
{
    private const int Bits = 5;
    private const int Rows = AffineLayout.PanelRows;

    public static int Columns => 32;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void IAffineCodes.Step<TL, TF, TU, TMap, TSink>(uint* words, int column, int first, in AffineValues<TF> values, TF scale0, TF scale1, TF offset0, TF offset1, ref TSink sink)
    {
        words += (uint)column / 32u * (5 * Rows);
        for (int i = 0; i < 5; i++)
        {
            TU a = TL.Words(words + i * Rows), b = TL.Words(words + i * Rows + TL.Count);
            CodeSteps.Run<TL, TF, TU, TConversion, TMap, TSink>(ref a, ref b, Bits, 6, first + 6 * i, values, scale0, scale1, offset0, offset1, ref sink);
        }
        TU even0 = Top<TL, TF, TU>(words, 0), even1 = Top<TL, TF, TU>(words + TL.Count, 0);
        CodeSteps.One<TL, TF, TU, TConversion, TMap, TSink>(even0, even1, (1u << Bits) - 1, first + 30, values, scale0, scale1, offset0, offset1, ref sink);
        TU odd0 = Top<TL, TF, TU>(words, 1), odd1 = Top<TL, TF, TU>(words + TL.Count, 1);
        CodeSteps.One<TL, TF, TU, TConversion, TMap, TSink>(odd0, odd1, (1u << Bits) - 1, first + 31, values, scale0, scale1, offset0, offset1, ref sink);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TU Top<TL, TF, TU>(uint* words, int which)
        where TL : struct, IAffineLanes<TF, TU>
        where TF : struct
        where TU : struct
    {
        TU low = TL.Join(TL.Right(TL.Words(words + 2 * which * Rows), 30), TL.Right(TL.Words(words + (2 * which + 1) * Rows), 30), 2);
        return TL.Join(low, TL.Right(TL.Words(words + 4 * Rows), 30 + which), 4);
    }
}

/// <summary>Codes of six bits.</summary>
internal readonly unsafe struct SixBitCodes<TConversion> : IAffineCodes
    where TConversion : struct, IAffineConversion
{
    private const int Bits = 6;
    private const int Rows = AffineLayout.PanelRows;

    public static int Columns => 16;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void IAffineCodes.Step<TL, TF, TU, TMap, TSink>(uint* words, int column, int first, in AffineValues<TF> values, TF scale0, TF scale1, TF offset0, TF offset1, ref TSink sink)
    {
        words += (uint)column / 16u * (3 * Rows);
        TU a = TL.Words(words), b = TL.Words(words + TL.Count);
        CodeSteps.Run<TL, TF, TU, TConversion, TMap, TSink>(ref a, ref b, Bits, 5, first, values, scale0, scale1, offset0, offset1, ref sink);
        TU c = TL.Words(words + Rows), d = TL.Words(words + Rows + TL.Count);
        CodeSteps.Run<TL, TF, TU, TConversion, TMap, TSink>(ref c, ref d, Bits, 5, first + 5, values, scale0, scale1, offset0, offset1, ref sink);
        a = TL.Join(a, c, 2);
        b = TL.Join(b, d, 2);
        c = TL.Words(words + 2 * Rows);
        d = TL.Words(words + 2 * Rows + TL.Count);
        CodeSteps.Run<TL, TF, TU, TConversion, TMap, TSink>(ref c, ref d, Bits, 5, first + 10, values, scale0, scale1, offset0, offset1, ref sink);
        CodeSteps.One<TL, TF, TU, TConversion, TMap, TSink>(TL.Join(a, c, 4), TL.Join(b, d, 4), (1u << Bits) - 1, first + 15, values, scale0, scale1, offset0, offset1, ref sink);
    }
}

/// <summary>What all orders of codes do.</summary>
internal static class CodeSteps
{
    /// <summary>One column.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void One<TL, TF, TU, TConversion, TMap, TSink>(TU a, TU b, uint mask, int column, in AffineValues<TF> values, TF scale0, TF scale1, TF offset0, TF offset1, ref TSink sink)
        where TL : struct, IAffineLanes<TF, TU>
        where TF : struct
        where TU : struct
        where TConversion : struct, IAffineConversion
        where TMap : struct, IAffineMap
        where TSink : struct, IAffineSink<TF>
        => sink.Take(
            column,
            TMap.Weight<TL, TF, TU>(TConversion.Of<TL, TF, TU>(a, mask, values), scale0, offset0),
            TMap.Weight<TL, TF, TU>(TConversion.Of<TL, TF, TU>(b, mask, values), scale1, offset1));

    /// <summary>Some columns from the words' lowest bits up; what is left of the words comes down.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Run<TL, TF, TU, TConversion, TMap, TSink>(ref TU a, ref TU b, int bits, int columns, int first, in AffineValues<TF> values, TF scale0, TF scale1, TF offset0, TF offset1, ref TSink sink)
        where TL : struct, IAffineLanes<TF, TU>
        where TF : struct
        where TU : struct
        where TConversion : struct, IAffineConversion
        where TMap : struct, IAffineMap
        where TSink : struct, IAffineSink<TF>
    {
        Four<TL, TF, TU, TConversion, TMap, TSink>(a, b, bits, 0, columns, first, values, scale0, scale1, offset0, offset1, ref sink);
        if (columns > 4)
        {
            Four<TL, TF, TU, TConversion, TMap, TSink>(a, b, bits, 4, columns, first, values, scale0, scale1, offset0, offset1, ref sink);
        }
        if (columns > 8)
        {
            Four<TL, TF, TU, TConversion, TMap, TSink>(a, b, bits, 8, columns, first, values, scale0, scale1, offset0, offset1, ref sink);
        }
        if (columns > 12)
        {
            Four<TL, TF, TU, TConversion, TMap, TSink>(a, b, bits, 12, columns, first, values, scale0, scale1, offset0, offset1, ref sink);
        }
        a = TL.Right(a, bits * columns);
        b = TL.Right(b, bits * columns);
    }

    /// <summary>Up to four of the columns: all that is asked for is known when code is compiled.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Four<TL, TF, TU, TConversion, TMap, TSink>(TU a, TU b, int bits, int from, int columns, int first, in AffineValues<TF> values, TF scale0, TF scale1, TF offset0, TF offset1, ref TSink sink)
        where TL : struct, IAffineLanes<TF, TU>
        where TF : struct
        where TU : struct
        where TConversion : struct, IAffineConversion
        where TMap : struct, IAffineMap
        where TSink : struct, IAffineSink<TF>
    {
        uint mask = (1u << bits) - 1;
        One<TL, TF, TU, TConversion, TMap, TSink>(TL.Right(a, from * bits), TL.Right(b, from * bits), mask, first + from, values, scale0, scale1, offset0, offset1, ref sink);
        if (columns > from + 1)
        {
            One<TL, TF, TU, TConversion, TMap, TSink>(TL.Right(a, (from + 1) * bits), TL.Right(b, (from + 1) * bits), mask, first + from + 1, values, scale0, scale1, offset0, offset1, ref sink);
        }
        if (columns > from + 2)
        {
            One<TL, TF, TU, TConversion, TMap, TSink>(TL.Right(a, (from + 2) * bits), TL.Right(b, (from + 2) * bits), mask, first + from + 2, values, scale0, scale1, offset0, offset1, ref sink);
        }
        if (columns > from + 3)
        {
            One<TL, TF, TU, TConversion, TMap, TSink>(TL.Right(a, (from + 3) * bits), TL.Right(b, (from + 3) * bits), mask, first + from + 3, values, scale0, scale1, offset0, offset1, ref sink);
        }
    }
}
