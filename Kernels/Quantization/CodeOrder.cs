namespace Llama4Kernels.Kernels.Quantization;

/// <summary>In which order the codes of a row stand in the words of <see cref="AffineMatrix"/>: what products read decides.</summary>
internal sealed unsafe class CodeOrder
{
    /// <summary>Products that make a vector of one column's weights at a time: <see cref="CodeWords"/>.</summary>
    public static readonly CodeOrder Words = new(&CodeWords.Pack, &CodeWords.Code);

    /// <summary>Products of integers, which take four columns at a time: <see cref="CodeLines"/>.</summary>
    public static readonly CodeOrder Lines = new(&CodeLines.Pack, &CodeLines.Code);

    private CodeOrder(delegate*<int, byte*, int, uint*, void> pack, delegate*<int, uint*, int, int> code)
    {
        Pack = pack;
        Code = code;
    }

    /// <summary>Bits of a code, codes, columns, words: fills the words.</summary>
    public delegate*<int, byte*, int, uint*, void> Pack { get; }

    /// <summary>Bits of a code, words of a row <see cref="AffineLayout.PanelRows"/> apart, column: the code.</summary>
    public delegate*<int, uint*, int, int> Code { get; }
}
