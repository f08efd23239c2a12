namespace Llama4Kernels.PtxEmulator.Checking;

/// <summary>Named sets of modifiers for the tables.</summary>
internal static class ModifierSets
{
    private static readonly Dictionary<string, string[]> s_sets = new(StringComparer.Ordinal)
    {
        ["int"] = ["u16", "s16", "u32", "s32", "u64", "s64"],
        ["bits"] = ["b16", "b32", "b64"],
        ["cvtint"] = ["u8", "s8", "u16", "s16", "u32", "s32", "u64", "s64"],
        ["memory"] = ["b8", "b16", "b32", "b64", "b128", "u8", "u16", "u32", "u64", "s8", "s16", "s32", "s64", "f32", "f64"],
        ["move"] = ["b16", "b32", "b64", "u16", "u32", "u64", "s16", "s32", "s64", "f32", "f64"],
        ["round"] = ["rn", "rz", "rm", "rp"],
        ["rint"] = ["rni", "rzi", "rmi", "rpi"],
        ["scope"] = ["cta", "cluster", "gpu", "sys"],
        ["space"] = ["global", "shared", "shared::cta", "shared::cluster", "local", "const", "param", "param::entry", "param::func"],
        ["evict"] = ["L1::evict_normal", "L1::evict_unchanged", "L1::evict_first", "L1::evict_last", "L1::no_allocate"],
        ["evict2"] = ["L2::evict_normal", "L2::evict_first", "L2::evict_last"],
        ["prefetch"] = ["L2::64B", "L2::128B", "L2::256B"],
        ["equal"] = ["eq", "ne"],
        ["order"] = ["eq", "ne", "lt", "le", "gt", "ge"],
        ["unsigned"] = ["lo", "ls", "hi", "hs"],
        ["unordered"] = ["equ", "neu", "ltu", "leu", "gtu", "geu", "num", "nan"],
        ["fp8"] = ["e4m3", "e5m2"],
        ["fp6"] = ["e4m3", "e5m2", "e3m2", "e2m3", "e2m1"],
        ["wgmma8"] = Shapes(8, 8),
        ["wgmma16"] = Shapes(16, 8),
        ["wgmma32"] = Shapes(32, 8),
        ["wgmma64"] = Shapes(64, 8),
        // Integers: 8, 16, 24, 32, then multiples of 16.
        ["wgmmaInt32"] = [.. Shapes(32, 8).Take(4), .. Shapes(32, 16).Skip(2)],
        ["wgmmaInt64"] = [.. Shapes(64, 8).Take(4), .. Shapes(64, 16).Skip(2)],
        ["wgmmaInt256"] = [.. Shapes(256, 8).Take(4), .. Shapes(256, 16).Skip(2)],
    };

    /// <summary>The modifiers of <c>@set</c>, or the modifier itself.</summary>
    public static IEnumerable<string> Expand(string word) => word[0] == '@' ? s_sets[word[1..]] : [word];

    private static string[] Shapes(int k, int step) => [.. Enumerable.Range(1, 256 / step).Select(n => $"m64n{n * step}k{k}")];
}
