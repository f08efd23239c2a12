using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Engine.Checkpoints.Meta;

/// <summary>The names that the pickle of a checkpoint may mention.</summary>
internal static class PickleNames
{
    private static readonly Dictionary<string, StoredType> s_storages = new(StringComparer.Ordinal)
    {
        ["BFloat16Storage"] = new StoredType("BF16", 1, 2, ElementType.BF16),
        ["HalfStorage"] = new StoredType("F16", 1, 2, ElementType.F16),
        ["FloatStorage"] = new StoredType("F32", 1, 4, ElementType.F32),
    };

    private static readonly HashSet<(string Module, string Name)> s_functions =
        [("torch._utils", "_rebuild_tensor_v2"), ("collections", "OrderedDict"), ("_io", "BytesIO"), ("_codecs", "encode")];

    /// <summary>The element type of a storage class, or false for names that are none.</summary>
    public static bool TryGetType(string storage, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out StoredType? type) => s_storages.TryGetValue(storage, out type);

    /// <summary>The name, if it is one of the few.</summary>
    /// <exception cref="ModelFormatException">It is any other.</exception>
    public static PickleGlobal Check(string file, string module, string name)
    {
        if (s_functions.Contains((module, name)) || (module == "torch" && s_storages.ContainsKey(name)))
        {
            return new PickleGlobal(module, name);
        }
        bool quantised = module.StartsWith("torch", StringComparison.Ordinal)
            && (name.Contains("loat8", StringComparison.Ordinal) || name is "ByteStorage" or "CharStorage" || name.StartsWith("QU", StringComparison.Ordinal) || name.StartsWith("QI", StringComparison.Ordinal) || name is "_rebuild_tensor_v3" or "_rebuild_qtensor");
        if (module == "torch" && name.EndsWith("Storage", StringComparison.Ordinal) && !quantised)
        {
            throw new ModelFormatException(file, "data.pkl", $"holds 'torch.{name}'; weights are {string.Join(", ", s_storages.Values.Select(type => type.Name))}.");
        }
        throw new ModelFormatException(file, "data.pkl", quantised
            ? $"holds '{module}.{name}': this is a quantised variant (FP8 or int4). {MetaModel.QuantisedAdvice}"
            : $"mentions '{module}.{name}', which no dictionary of tensors needs; nothing was executed. Do not load this file elsewhere either.");
    }
}
