using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Kernels.Quantization.Gguf;

/// <summary>Takes blocks that follow one another apart: as many small ones as a piece of a row has, or one of 256 columns.</summary>
internal unsafe delegate void GgufBlockReader(byte* block, int count, CodeRow row);

/// <summary>A type of blocks of a GGUF file that is kept as codes.</summary>
public sealed class GgufBlockType
{
    private GgufBlockType(int id, string name, int columns, int bytes, WeightFormat format, GgufBlockReader read, GgufBlockReader? readLines)
    {
        (Id, Name, Columns, Bytes, Format, Read, ReadLines) = (id, name, columns, bytes, format, read, readLines);
    }

    /// <summary>All of them, by number.</summary>
    public static unsafe IReadOnlyList<GgufBlockType> All { get; } =
    [
        Type(2, "Q4_0", 32, 18, GgufSimpleBlocks.Q4_0<FourBitCodes>, GgufSimpleBlocks.Q4_0<FourBitLines>),
        Type(3, "Q4_1", 32, 20, GgufSimpleBlocks.Q4_1<FourBitCodes>, GgufSimpleBlocks.Q4_1<FourBitLines>),
        Type(6, "Q5_0", 32, 22, GgufSimpleBlocks.Q5_0),
        Type(7, "Q5_1", 32, 24, GgufSimpleBlocks.Q5_1),
        Type(8, "Q8_0", 32, 34, GgufSimpleBlocks.Q8_0),
        Type(10, "Q2_K", 256, 84, GgufSuperBlocks.Q2_K),
        Type(11, "Q3_K", 256, 110, GgufSuperBlocks.Q3_K),
        Type(12, "Q4_K", 256, 144, GgufSuperBlocks.Q4_K<FourBitCodes>, GgufSuperBlocks.Q4_K<FourBitLines>),
        Type(13, "Q5_K", 256, 176, GgufSuperBlocks.Q5_K),
        Type(14, "Q6_K", 256, 210, GgufSuperBlocks.Q6_K),
        Type(20, "IQ4_NL", 32, 18, GgufSimpleBlocks.Q4_0<FourBitCodes>, GgufSimpleBlocks.Q4_0<FourBitLines>),
        Type(23, "IQ4_XS", 256, 136, GgufSuperBlocks.IQ4_XS<FourBitCodes>, GgufSuperBlocks.IQ4_XS<FourBitLines>),
        Type(39, "MXFP4", 32, 17, GgufSimpleBlocks.Mxfp4<FourBitCodes>, GgufSimpleBlocks.Mxfp4<FourBitLines>),
    ];

    /// <summary>The file's number of the type.</summary>
    public int Id { get; }

    /// <summary>As llama.cpp calls it.</summary>
    public string Name { get; }

    /// <summary>Weights of a block.</summary>
    public int Columns { get; }

    /// <summary>Bytes of a block.</summary>
    public int Bytes { get; }

    /// <summary>How it is kept.</summary>
    public WeightFormat Format { get; }

    /// <summary>Takes blocks apart.</summary>
    internal GgufBlockReader Read { get; }

    /// <summary>The same, with words in the order of <see cref="CodeLines"/> in place of codes; null for types of other than four bits.</summary>
    internal GgufBlockReader? ReadLines { get; }

    /// <summary>The type of a name, or null.</summary>
    public static GgufBlockType? Find(string name) => All.FirstOrDefault(type => type.Name == name);

    private static GgufBlockType Type(int id, string name, int columns, int bytes, GgufBlockReader read, GgufBlockReader? readLines = null) =>
        new(id, name, columns, bytes, KeptFormats.Find(name.ToLowerInvariant())!, read, readLines);
}
