namespace Llama4Kernels.Engine.Config;

/// <summary>How a checkpoint says its FP8 weights were made. Which tensors are FP8 is decided by the tensors themselves.</summary>
public sealed class QuantizationConfig
{
    private readonly IgnorePattern[] _patterns;
    private readonly HashSet<string> _names;

    private QuantizationConfig(string method, float? activationBound, string[] names, IgnorePattern[] patterns, string[] ignore)
    {
        Method = method;
        ActivationBound = activationBound;
        Ignore = ignore;
        _names = [.. names];
        _patterns = patterns;
    }

    /// <summary>"compressed-tensors" or "fbgemm_fp8".</summary>
    public string Method { get; }

    /// <summary>Upper bound of an activation row's maximum before its scale is computed; null for none.</summary>
    public float? ActivationBound { get; }

    /// <summary>Modules left unquantised, as written; "re:" marks a pattern.</summary>
    public IReadOnlyList<string> Ignore { get; }

    /// <summary>Whether the module (a tensor name without ".weight") is listed as unquantised.</summary>
    /// <exception cref="ModelFormatException">A pattern of the list takes too long.</exception>
    public bool Ignores(string module) => _names.Contains(module) || Array.Exists(_patterns, pattern => pattern.IsMatch(module));

    internal static QuantizationConfig Read(JsonFields fields)
    {
        string method = fields.Text("quant_method") ?? throw fields.Fault("quant_method", "is missing.");
        switch (method)
        {
            case "compressed-tensors":
                CheckCompressedTensors(fields);
                return Create(fields, method, null, "ignore");
            case "fbgemm_fp8":
                double bound = fields.Number("activation_scale_ub", 0, float.MaxValue, 1200);
                return Create(fields, method, (float)bound, "modules_to_not_convert");
            default:
                throw fields.Fault("quant_method", $"'{method}' is not supported; 'compressed-tensors' with FP8 weights and 'fbgemm_fp8' are.");
        }
    }

    private static QuantizationConfig Create(JsonFields fields, string method, float? bound, string listName)
    {
        string[] ignore = fields.Texts(listName) ?? [];
        IgnorePattern[] patterns = [.. ignore.Where(entry => entry.StartsWith("re:", StringComparison.Ordinal)).Select(entry => IgnorePattern.Create(fields, listName, entry))];
        string[] names = [.. ignore.Where(entry => !entry.StartsWith("re:", StringComparison.Ordinal))];
        return new QuantizationConfig(method, bound, names, patterns, ignore);
    }

    private static void CheckCompressedTensors(JsonFields fields)
    {
        if (fields.Text("format") is { } format && format != "float-quantized")
        {
            throw fields.Fault("format", $"'{format}' is not supported; 'float-quantized' is.");
        }
        JsonFields groups = fields.Object("config_groups") ?? throw fields.Fault("config_groups", "is missing.");
        foreach ((_, JsonFields group) in groups.Objects())
        {
            JsonFields weights = group.Object("weights") ?? throw group.Fault("weights", "is missing.");
            string type = weights.Text("type") ?? "int";
            int bits = weights.Int("num_bits", 1, 64, 8);
            if (type != "float" || bits != 8)
            {
                throw weights.Fault("type", $"weights of {bits}-bit {type} are not supported; 8-bit float is.");
            }
            if (weights.Text("strategy") is var strategy && strategy != "channel")
            {
                throw weights.Fault("strategy", $"scales per '{strategy ?? "tensor"}' are not supported; per 'channel' is.");
            }
            if (!weights.Bool("symmetric", true))
            {
                throw weights.Fault("symmetric", "asymmetric weights are not supported.");
            }
        }
    }
}
