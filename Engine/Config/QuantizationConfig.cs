using System.Text.Json;

namespace Llama4Kernels.Engine.Config;

/// <summary>How a checkpoint says its weights were quantised. Which tensors are, and how, is decided by the tensors; this must not contradict them.</summary>
internal sealed class QuantizationConfig
{
    /// <summary>The method of MLX, whose files do not name one.</summary>
    internal const string Mlx = "mlx";

    /// <summary>What to take instead of a file that is not supported.</summary>
    internal const string Advice = "Use the BF16 checkpoint with --weights int4 or fp8, or a compressed-tensors w4a16 or FP8-dynamic one.";

    private const string Prefix = "language_model.";

    private readonly QuantizationGroup[] _groups;
    private readonly (IgnorePattern Pattern, QuantizationGroup Group)[] _targets;
    private readonly HashSet<string> _names = new(StringComparer.Ordinal);
    private readonly List<string> _beginnings = [];
    private readonly IgnorePattern[] _patterns;

    private QuantizationConfig(JsonFields fields, string method, string listName, QuantizationGroup[] groups, float? activationBound = null)
    {
        Method = method;
        ActivationBound = activationBound;
        Ignore = fields.Texts(listName) ?? [];
        _groups = groups;
        _patterns = [.. Ignore.Where(IsPattern).Select(entry => IgnorePattern.Create(fields, listName, entry))];
        _targets = [.. groups.SelectMany(group => group.Targets.Where(IsPattern).Select(target => (IgnorePattern.Create(fields, "config_groups", target), group)))];
        foreach (string entry in Ignore.Where(entry => !IsPattern(entry)))
        {
            if (entry.EndsWith('*'))
            {
                _beginnings.Add(entry[..^1]);
            }
            else
            {
                _names.Add(entry);
            }
        }
    }

    /// <summary>"compressed-tensors", "fbgemm_fp8", "modelopt" or "mlx".</summary>
    public string Method { get; }

    /// <summary>Upper bound of an activation row's maximum before its scale is computed; null for none.</summary>
    public float? ActivationBound { get; }

    /// <summary>Modules left unquantised, as written; "re:" marks a pattern, a final "*" a beginning.</summary>
    public IReadOnlyList<string> Ignore { get; }

    /// <summary>Whether the module (a tensor name without ".weight") is listed as unquantised.</summary>
    /// <exception cref="ModelFormatException">A pattern of the list takes too long.</exception>
    public bool Ignores(string module) => Spellings(module).Any(name =>
        _names.Contains(name) || _beginnings.Exists(beginning => name.StartsWith(beginning, StringComparison.Ordinal)) || Array.Exists(_patterns, pattern => pattern.IsMatch(name)));

    /// <summary>Whether the file says that a module is quantised. MLX leaves those plain whose inputs do not fill groups, without saying so.</summary>
    internal bool Covers(string module) => Method != Mlx && !Ignores(module) && (_groups.Length == 0 || GroupOf(module) is not null);

    /// <summary>The group that a module belongs to if it is quantised, the most specific first; null if the file does not say.</summary>
    internal QuantizationGroup? GroupOf(string module)
    {
        string[] names = [.. Spellings(module)];
        return Array.Find(_groups, group => group.Targets.Any(names.Contains))
            ?? Array.Find(_targets, target => names.Any(target.Pattern.IsMatch)).Group
            ?? Array.Find(_groups, group => group.Targets.Contains("Linear"));
    }

    internal static QuantizationConfig Read(JsonFields fields)
    {
        string method = fields.Text("quant_method") ?? throw fields.Fault("quant_method", "is missing.");
        switch (method)
        {
            case "compressed-tensors":
                return new QuantizationConfig(fields, method, "ignore", CompressedTensorsReader.Read(fields));
            case "fbgemm_fp8":
                double bound = fields.Number("activation_scale_ub", 0, float.MaxValue, 1200);
                return new QuantizationConfig(fields, method, "modules_to_not_convert", [], (float)bound);
            case "modelopt":
                return ReadModelOpt(fields, "ignore");
            default:
                string why = method == "bitsandbytes" ? " Its NF4 needs tables and nested scales." : "";
                throw fields.Fault("quant_method", $"'{method}' is not supported; 'compressed-tensors', 'modelopt' (FP8), 'fbgemm_fp8' and MLX's affine integers are.{why} {Advice}");
        }
    }

    /// <summary>What ModelOpt says, in config.json or in the "quantization" of hf_quant_config.json.</summary>
    internal static QuantizationConfig ReadModelOpt(JsonFields fields, string listName)
    {
        string algorithm = fields.Text("quant_algo") ?? throw fields.Fault("quant_algo", "is missing.");
        return algorithm == "FP8"
            ? new QuantizationConfig(fields, "modelopt", listName, [new QuantizationGroup(algorithm, ["Linear"], 8, true, QuantizationStrategy.Tensor, 0, 1, true)])
            : throw fields.Fault("quant_algo", $"'{algorithm}' is not supported; FP8 is. {Advice}");
    }

    /// <summary>The object "quantization" that MLX writes.</summary>
    internal static QuantizationConfig ReadMlx(JsonFields fields)
    {
        if (fields.Text("mode") is { } mode && mode != "affine")
        {
            throw fields.Fault("mode", $"'{mode}' is not supported; 'affine' is. {Advice}");
        }
        List<QuantizationGroup> groups = [MlxGroup(fields, Mlx, "Linear")];
        foreach (string name in fields.Names.Where(name => fields.TryGet(name, out JsonElement value) && value.ValueKind == JsonValueKind.Object))
        {
            JsonFields own = fields.Object(name)!.Value;
            groups.Add(MlxGroup(own, name, name));
        }
        return new QuantizationConfig(fields, Mlx, "ignore", [.. groups]);
    }

    private static QuantizationGroup MlxGroup(JsonFields fields, string name, string target)
    {
        int bits = fields.Int("bits", 1, 64, 4), group = fields.Int("group_size", 1, 1 << 20, 64);
        return bits is not (4 or 8) ? throw fields.Fault("bits", $"{bits}-bit is not supported; 4 and 8 are. {Advice}")
            : group is not (32 or 64 or 128) ? throw fields.Fault("group_size", $"groups of {group} are not supported; 32, 64 and 128 are.")
            : new QuantizationGroup(name, [target], bits, false, QuantizationStrategy.Group, group, 1, false);
    }

    private static bool IsPattern(string entry) => entry.StartsWith("re:", StringComparison.Ordinal);

    // Lists name the text model's modules with and without the part of the whole.
    private static IEnumerable<string> Spellings(string module) =>
        [module, module.StartsWith(Prefix, StringComparison.Ordinal) ? module[Prefix.Length..] : Prefix + module];
}
