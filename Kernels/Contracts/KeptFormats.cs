namespace Llama4Kernels.Kernels.Contracts;

/// <summary>
/// Formats of quantised weights in other people's files. Their codes, scales and offsets are kept bit for bit, nothing is
/// requantised, and one product with s·c + β decodes them all.
/// </summary>
public static class KeptFormats
{
    /// <summary>The block types of GGUF, by the names of llama.cpp in lower case.</summary>
    public static IReadOnlyList<WeightFormat> Gguf { get; } =
    [
        new("q4_0", WeightEncoding.Integer, 4) { GroupColumns = 32, Scale = ScaleKind.F16 },
        new("q4_1", WeightEncoding.Unsigned, 4) { GroupColumns = 32, Scale = ScaleKind.F16, Offset = OffsetKind.Added },
        new("q5_0", WeightEncoding.Integer, 5) { GroupColumns = 32, Scale = ScaleKind.F16 },
        new("q5_1", WeightEncoding.Unsigned, 5) { GroupColumns = 32, Scale = ScaleKind.F16, Offset = OffsetKind.Added },
        new("q8_0", WeightEncoding.Integer, 8) { GroupColumns = 32, Scale = ScaleKind.F16 },
        new("q2_k", WeightEncoding.Unsigned, 2) { GroupColumns = 16, Scale = ScaleKind.Nibbles, Offset = OffsetKind.TwoLevel },
        new("q3_k", WeightEncoding.Integer, 3) { GroupColumns = 16, Scale = ScaleKind.TwoLevel },
        new("q4_k", WeightEncoding.Unsigned, 4) { GroupColumns = 32, Scale = ScaleKind.TwoLevel, Offset = OffsetKind.TwoLevel },
        new("q5_k", WeightEncoding.Unsigned, 5) { GroupColumns = 32, Scale = ScaleKind.TwoLevel, Offset = OffsetKind.TwoLevel },
        new("q6_k", WeightEncoding.Integer, 6) { GroupColumns = 16, Scale = ScaleKind.TwoLevel },
        new("iq4_nl", WeightEncoding.Iq4, 4) { GroupColumns = 32, Scale = ScaleKind.F16 },
        new("iq4_xs", WeightEncoding.Iq4, 4) { GroupColumns = 32, Scale = ScaleKind.TwoLevel },
        new("mxfp4", WeightEncoding.E2M1, 4) { GroupColumns = 32, Scale = ScaleKind.Power },
    ];

    /// <summary>All rows: <see cref="Gguf"/>, then integers of 4 and 8 bits and FP8 with every group and type of scale that is read.</summary>
    public static IReadOnlyList<WeightFormat> All { get; } =
    [
        .. Gguf,
        .. from scale in (ScaleKind[])[ScaleKind.BF16, ScaleKind.F16, ScaleKind.F32]
           from bits in (int[])[4, 8]
           from columns in (int[])[32, 64, 128, 0]
           from offset in (OffsetKind[])[OffsetKind.None, OffsetKind.Zero, OffsetKind.Added]
           select Integers(bits, columns, scale, offset),
        .. from scale in (ScaleKind[])[ScaleKind.BF16, ScaleKind.F16, ScaleKind.F32] select Fp8Blocks(128, scale),
    ];

    /// <summary>
    /// Integers −128 … 127, a half for each 32 inputs of a row: llama.cpp's Q8_0, and what weights of eight bits are brought into, so that
    /// codes of a file and those of the engine are the same to every backend.
    /// </summary>
    public static WeightFormat Int8 { get; } = Gguf.First(format => format.Name == "q8_0");

    /// <summary>The row of a name, or null.</summary>
    public static WeightFormat? Find(string name) => All.FirstOrDefault(format => format.Name == name);

    /// <summary>Integers with a scale for each group.</summary>
    /// <param name="bits">Bits of a code.</param>
    /// <param name="group">Columns of a group; 0 for a row.</param>
    /// <param name="scale">Type of the scales, and of offsets that are added.</param>
    /// <param name="offset">None for codes from −2^(bits − 1) on; else codes are unsigned and have zero points or added offsets.</param>
    public static WeightFormat Integers(int bits, int group, ScaleKind scale, OffsetKind offset)
    {
        bool symmetric = offset == OffsetKind.None;
        string end = offset switch { OffsetKind.None => "", OffsetKind.Zero => "-zero", _ => "-affine" };
        return new WeightFormat(
            $"{(symmetric ? "int" : "uint")}{bits}{(group == 0 ? "row" : $"g{group}")}-{scale.ToString().ToLowerInvariant()}{end}",
            symmetric ? WeightEncoding.Integer : WeightEncoding.Unsigned, bits)
        { GroupColumns = group, Scale = scale, Offset = offset };
    }

    /// <summary>E4M3 codes with a scale for each group of a row.</summary>
    public static WeightFormat Fp8Blocks(int group, ScaleKind scale) =>
        new($"fp8g{group}-{scale.ToString().ToLowerInvariant()}", WeightEncoding.E4M3, 8) { GroupColumns = group, Scale = scale };
}
