namespace Llama4Kernels.Kernels.Quantization.Gguf;

/// <summary>Takes a block apart.</summary>
internal unsafe delegate void GgufBlockReader(byte* block, CodeRow row);

/// <summary>A type of blocks of a GGUF file that is kept as codes.</summary>
/// <param name="Id">The file's number of the type.</param>
/// <param name="Name">As llama.cpp calls it.</param>
/// <param name="Columns">Weights of a block.</param>
/// <param name="Bytes">Bytes of a block.</param>
/// <param name="Format">How it is kept.</param>
/// <param name="Read">Takes a block apart.</param>
internal sealed record GgufBlockType(int Id, string Name, int Columns, int Bytes, CodeFormat Format, GgufBlockReader Read)
{
    /// <summary>All of them, by number.</summary>
    public static unsafe IReadOnlyList<GgufBlockType> All { get; } =
    [
        Simple(2, "Q4_0", 18, 4, CodeKind.Centred, OffsetKind.None, GgufSimpleBlocks.Q4_0),
        Simple(3, "Q4_1", 20, 4, CodeKind.Unsigned, OffsetKind.Added, GgufSimpleBlocks.Q4_1),
        Simple(6, "Q5_0", 22, 5, CodeKind.Centred, OffsetKind.None, GgufSimpleBlocks.Q5_0),
        Simple(7, "Q5_1", 24, 5, CodeKind.Unsigned, OffsetKind.Added, GgufSimpleBlocks.Q5_1),
        Simple(8, "Q8_0", 34, 8, CodeKind.Centred, OffsetKind.None, GgufSimpleBlocks.Q8_0),
        Super(10, "Q2_K", 84, 2, CodeKind.Unsigned, 16, ScaleKind.Nibbles, OffsetKind.TwoLevel, GgufSuperBlocks.Q2_K),
        Super(11, "Q3_K", 110, 3, CodeKind.Centred, 16, ScaleKind.TwoLevel, OffsetKind.None, GgufSuperBlocks.Q3_K),
        Super(12, "Q4_K", 144, 4, CodeKind.Unsigned, 32, ScaleKind.TwoLevel, OffsetKind.TwoLevel, GgufSuperBlocks.Q4_K),
        Super(13, "Q5_K", 176, 5, CodeKind.Unsigned, 32, ScaleKind.TwoLevel, OffsetKind.TwoLevel, GgufSuperBlocks.Q5_K),
        Super(14, "Q6_K", 210, 6, CodeKind.Centred, 16, ScaleKind.TwoLevel, OffsetKind.None, GgufSuperBlocks.Q6_K),
        Simple(20, "IQ4_NL", 18, 4, CodeKind.Iq4, OffsetKind.None, GgufSimpleBlocks.Q4_0),
        Super(23, "IQ4_XS", 136, 4, CodeKind.Iq4, 32, ScaleKind.TwoLevel, OffsetKind.None, GgufSuperBlocks.IQ4_XS),
        new(39, "MXFP4", 32, 17, new CodeFormat("MXFP4", 4, CodeKind.Fp4, 32, ScaleKind.Power, OffsetKind.None), GgufSimpleBlocks.Mxfp4),
    ];

    private static GgufBlockType Simple(int id, string name, int bytes, int bits, CodeKind kind, OffsetKind offset, GgufBlockReader read) =>
        new(id, name, 32, bytes, new CodeFormat(name, bits, kind, 32, ScaleKind.F16, offset), read);

    private static GgufBlockType Super(int id, string name, int bytes, int bits, CodeKind kind, int group, ScaleKind scale, OffsetKind offset, GgufBlockReader read) =>
        new(id, name, CodeFormat.SuperColumns, bytes, new CodeFormat(name, bits, kind, group, scale, offset), read);
}
