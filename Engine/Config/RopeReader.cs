using Llama4Kernels.Kernels.Rope;

namespace Llama4Kernels.Engine.Config;

/// <summary>
/// Reads the base and the scaling of rotary frequencies. Older files have rope_theta and rope_scaling side by side, newer ones
/// merge both into rope_parameters, and some put the base into rope_scaling.
/// </summary>
internal static class RopeReader
{
    private const double MaxTheta = 1e12;

    /// <summary>The base and, if there is one, the scaling.</summary>
    /// <param name="fields">The text or vision model's object.</param>
    /// <param name="theta">The base where the file names none.</param>
    /// <param name="scales">Whether a scaling is supported there.</param>
    /// <exception cref="ModelFormatException">A value is impossible, the type is unknown, or two objects say different things.</exception>
    public static (double Theta, RopeScaling? Scaling) Read(JsonFields fields, double theta, bool scales)
    {
        theta = fields.Number("rope_theta", 0, MaxTheta, theta);
        (double Theta, RopeScaling? Scaling)? merged = ReadObject(fields, "rope_parameters", theta, scales);
        (double Theta, RopeScaling? Scaling)? beside = ReadObject(fields, "rope_scaling", theta, scales);
        return merged is not null && beside is not null && merged != beside
            ? throw fields.Fault("rope_parameters", "says something else than rope_scaling; delete the one that is wrong.")
            : merged ?? beside ?? (theta, null);
    }

    private static (double Theta, RopeScaling? Scaling)? ReadObject(JsonFields fields, string name, double theta, bool scales)
    {
        if (fields.Object(name) is not { } rope)
        {
            return null;
        }
        theta = rope.Number("rope_theta", 0, MaxTheta, theta);
        if (rope.Number("partial_rotary_factor", 0, 1, 1) is not 1 and var part)
        {
            throw rope.Fault("partial_rotary_factor", $"{part} is not supported: Llama 4 rotates whole heads.");
        }
        string? type = rope.Text("rope_type") ?? rope.Text("type");
        switch (type)
        {
            case "default":
            case null when !rope.Contains("factor"):
                return (theta, null);
            case "llama3" when scales:
                break;
            default:
                throw rope.Fault("rope_type", $"'{type ?? "(absent)"}' is not supported; {(scales ? "'llama3' and 'default' are" : "'default' is")}.");
        }
        RopeScaling scaling = new(
            rope.Number("factor", 0, 1e6),
            rope.Number("low_freq_factor", 0, 1e6),
            rope.Number("high_freq_factor", 0, 1e6),
            rope.Int("original_max_position_embeddings", 1, int.MaxValue));
        return scaling.HighFreqFactor >= scaling.LowFreqFactor
            ? (theta, scaling)
            : throw rope.Fault("high_freq_factor", $"{scaling.HighFreqFactor} is below low_freq_factor {scaling.LowFreqFactor}.");
    }
}
