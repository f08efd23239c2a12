using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Engine.Checkpoints.Gguf;

/// <summary>The element types of GGUF by their numbers, also those that no weight of this engine may have: their sizes are known.</summary>
internal static class GgufTypes
{
    private static readonly Dictionary<uint, StoredType> s_types = new()
    {
        [0] = new StoredType("F32", 1, 4, ElementType.F32),
        [1] = new StoredType("F16", 1, 2, ElementType.F16),
        [2] = new StoredType("Q4_0", 32, 18),
        [3] = new StoredType("Q4_1", 32, 20),
        [6] = new StoredType("Q5_0", 32, 22),
        [7] = new StoredType("Q5_1", 32, 24),
        [8] = new StoredType("Q8_0", 32, 34),
        [9] = new StoredType("Q8_1", 32, 36),
        [10] = new StoredType("Q2_K", 256, 84),
        [11] = new StoredType("Q3_K", 256, 110),
        [12] = new StoredType("Q4_K", 256, 144),
        [13] = new StoredType("Q5_K", 256, 176),
        [14] = new StoredType("Q6_K", 256, 210),
        [15] = new StoredType("Q8_K", 256, 292),
        [16] = new StoredType("IQ2_XXS", 256, 66),
        [17] = new StoredType("IQ2_XS", 256, 74),
        [18] = new StoredType("IQ3_XXS", 256, 98),
        [19] = new StoredType("IQ1_S", 256, 50),
        [20] = new StoredType("IQ4_NL", 32, 18),
        [21] = new StoredType("IQ3_S", 256, 110),
        [22] = new StoredType("IQ2_S", 256, 82),
        [23] = new StoredType("IQ4_XS", 256, 136),
        [24] = new StoredType("I8", 1, 1),
        [25] = new StoredType("I16", 1, 2),
        [26] = new StoredType("I32", 1, 4),
        [27] = new StoredType("I64", 1, 8),
        [28] = new StoredType("F64", 1, 8),
        [29] = new StoredType("IQ1_M", 256, 56),
        [30] = new StoredType("BF16", 1, 2, ElementType.BF16),
        [34] = new StoredType("TQ1_0", 256, 54),
        [35] = new StoredType("TQ2_0", 256, 66),
        [39] = new StoredType("MXFP4", 32, 17),
    };

    private static readonly Dictionary<string, uint> s_numbers = s_types.ToDictionary(entry => entry.Value.Name, entry => entry.Key, StringComparer.Ordinal);

    /// <summary>The type of a number, or false.</summary>
    public static bool TryGet(uint number, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out StoredType? type) => s_types.TryGetValue(number, out type);

    /// <summary>The number of a type of this table.</summary>
    public static uint NumberOf(StoredType type) => s_numbers[type.Name];
}
