using System.Globalization;
using System.Text.Json;

namespace Llama4Kernels.Engine.Config;

/// <summary>Reads the quantization_config of compressed-tensors and llm-compressor.</summary>
internal static class CompressedTensorsReader
{
    private static readonly string[] s_formats =
        ["pack-quantized", "int-quantized", "float-quantized", "naive-quantized", "mixed-precision", "dense"];

    /// <summary>The groups of weights that it describes.</summary>
    public static QuantizationGroup[] Read(JsonFields fields)
    {
        CheckFormat(fields);
        if (fields.Object("sparsity_config") is { } sparsity && sparsity.Names.Any() && sparsity.Text("format") is not (null or "dense"))
        {
            throw fields.Fault("sparsity_config", $"sparse weights are not supported. {QuantizationConfig.Advice}");
        }
        if (fields.Object("transform_config") is { } transform && transform.Contains("config_groups"))
        {
            throw fields.Fault("transform_config", $"the file needs rotations at run time. {QuantizationConfig.Advice}");
        }
        JsonFields groups = fields.Object("config_groups") ?? throw fields.Fault("config_groups", "is missing.");
        return [.. groups.Names.Select(name => groups.TryGet(name, out JsonElement value) && value.ValueKind == JsonValueKind.Array
            ? Preset(groups, name)
            : Group(groups.Object(name) ?? throw groups.Fault(name, "must be an object."), name))];
    }

    private static void CheckFormat(JsonFields fields)
    {
        if (fields.Text("format") is not { } format || s_formats.Contains(format))
        {
            return;
        }
        string what = format switch
        {
            "nvfp4-pack-quantized" or "mxfp4-pack-quantized" => " (4-bit floats)",
            "mxfp8-quantized" => " (8-bit floats with shared exponents)",
            _ when format.Contains("sparse", StringComparison.Ordinal) || format == "marlin-24" => " (sparse weights)",
            _ => "",
        };
        throw fields.Fault("format", $"'{format}'{what} is not supported; pack-quantized, int-quantized and float-quantized are. {QuantizationConfig.Advice}");
    }

    /// <summary>A name that is a scheme by itself, with its targets.</summary>
    private static QuantizationGroup Preset(JsonFields groups, string name)
    {
        string[] targets = groups.Texts(name)!;
        return name.ToUpperInvariant() switch
        {
            "W4A16" => new(name, targets, 4, false, QuantizationStrategy.Group, 128, 1, true),
            "W4A16_ASYM" => new(name, targets, 4, false, QuantizationStrategy.Group, 128, 1, false),
            // Once a scale per row, now one for each 128 inputs: the tensors tell.
            "W8A16" => new(name, targets, 8, false, QuantizationStrategy.Group, 0, 1, true),
            "W8A8" => new(name, targets, 8, false, QuantizationStrategy.Channel, 0, 1, true),
            "FP8_DYNAMIC" => new(name, targets, 8, true, QuantizationStrategy.Channel, 0, 1, true),
            "FP8" => new(name, targets, 8, true, QuantizationStrategy.Tensor, 0, 1, true),
            "FP8_BLOCK" => new(name, targets, 8, true, QuantizationStrategy.Block, 128, 128, true),
            _ => throw groups.Fault(name, $"is no scheme that is supported; W4A16, W4A16_ASYM, W8A16, W8A8, FP8, FP8_DYNAMIC and FP8_BLOCK are. {QuantizationConfig.Advice}"),
        };
    }

    private static QuantizationGroup Group(JsonFields group, string name)
    {
        CheckFormat(group);
        JsonFields weights = group.Object("weights") ?? throw group.Fault("weights", "is missing.");
        string type = weights.Text("type") ?? "int";
        int bits = weights.Int("num_bits", 1, 64, 8);
        if (type == "float" && bits != 8)
        {
            throw weights.Fault("type", $"weights of {bits}-bit float are not supported; 8-bit float is. {QuantizationConfig.Advice}");
        }
        if (type is not ("float" or "int"))
        {
            throw weights.Fault("type", $"'{type}' is not supported; 'int' and 'float' are.");
        }
        if (type == "int" && bits is not (4 or 8))
        {
            throw weights.Fault("num_bits", $"{bits}-bit integers are not supported; 4 and 8 are.");
        }
        bool symmetric = weights.Bool("symmetric", true);
        if (type == "float" && !symmetric)
        {
            throw weights.Fault("symmetric", "asymmetric floats are not supported.");
        }
        CheckOrder(weights);
        int size = weights.Int("group_size", -1, int.MaxValue, 0);
        QuantizationStrategy strategy = weights.Text("strategy") switch
        {
            null => size switch { 0 => QuantizationStrategy.Tensor, < 0 => QuantizationStrategy.Channel, _ => QuantizationStrategy.Group },
            "tensor" => QuantizationStrategy.Tensor,
            "channel" => QuantizationStrategy.Channel,
            "group" when type == "int" => QuantizationStrategy.Group,
            "block" when type == "float" => QuantizationStrategy.Block,
            var other => throw weights.Fault("strategy", $"scales of {type} weights per '{other}' are not supported. {QuantizationConfig.Advice}"),
        };
        (int rows, int columns) = strategy switch
        {
            QuantizationStrategy.Block => Block(weights),
            QuantizationStrategy.Group => (1, size > 0 ? size : throw weights.Fault("group_size", "is missing.")),
            _ => (1, 0),
        };
        return new QuantizationGroup(name, group.Texts("targets") ?? ["Linear"], bits, type == "float", strategy, columns, rows, symmetric);
    }

    private static void CheckOrder(JsonFields weights)
    {
        bool grouped = weights.TryGet("actorder", out JsonElement order)
            && (order.ValueKind == JsonValueKind.True || (order.ValueKind == JsonValueKind.String && order.GetString() is "group" or "dynamic"));
        if (grouped)
        {
            throw weights.Fault("actorder", "columns are regrouped (g_idx); use a file quantised with actorder 'weight' or null.");
        }
    }

    /// <summary>[rows, columns], or in older files "128x128".</summary>
    private static (int Rows, int Columns) Block(JsonFields weights)
    {
        int[]? both = weights.TryGet("block_structure", out JsonElement value) && value.ValueKind == JsonValueKind.String
            ? [.. value.GetString()!.Split('x').Select(part => int.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out int size) ? size : 0)]
            : weights.Ints("block_structure", 1, 1 << 20);
        return both is [> 0 and var rows, > 0 and var columns]
            ? (rows, columns)
            : throw weights.Fault("block_structure", "must be two sizes, such as [128, 128].");
    }
}
