using System.CommandLine;
using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Cli.Shared;

/// <summary>The option that says how far products may round their activations.</summary>
internal static class ActivationArgument
{
    private static readonly (string Name, ActivationPrecision Precision)[] s_all =
        [("float32", ActivationPrecision.Float32), ("bf16", ActivationPrecision.BFloat16), ("int8", ActivationPrecision.Int8)];

    /// <summary>For commands that compare: not at all.</summary>
    public const string Exact = "float32";

    /// <summary>For commands whose answers people read: as far as the weights do already.</summary>
    public const string AsWeights = "int8";

    /// <summary>A new option.</summary>
    /// <param name="usual">What it is where nobody says.</param>
    public static Option<string> New(string usual)
    {
        var option = new Option<string>("--activations")
        {
            Description = "How far products may round their activations: float32 (exact), bf16, or int8 (with weights of integers on the CPU; bf16 elsewhere).",
            DefaultValueFactory = _ => usual,
        };
        return option.AcceptOnlyFromAmong([.. s_all.Select(one => one.Name)]);
    }

    /// <summary>What was chosen.</summary>
    public static ActivationPrecision Get(ParseResult parsed, Option<string> option) =>
        s_all.First(one => one.Name == parsed.GetRequiredValue(option)).Precision;
}
