using System.CommandLine;
using Llama4Kernels.Engine.Model;

namespace Llama4Kernels.Cli.Shared;

/// <summary>The options that say which format weights get, and which of them.</summary>
internal sealed class WeightArguments
{
    private static readonly (string Name, WeightScheme Scheme)[] s_schemes = [("bf16", WeightScheme.Stored), ("int4", WeightScheme.Int4), ("int8", WeightScheme.Int8), ("fp8", WeightScheme.Fp8)];

    private readonly Option<string> _weights;

    private readonly Option<string?> _include = IncludeArgument.New();

    /// <param name="when">When they are quantised.</param>
    public WeightArguments(string when)
    {
        _weights = new Option<string>("--weights")
        {
            Description = $"Format of the weights that --include names: bf16 (as stored), int4, int8 or fp8 (quantised {when}; FP8 also quantises activations).",
            DefaultValueFactory = _ => s_schemes[0].Name,
        };
        _weights.AcceptOnlyFromAmong([.. s_schemes.Select(one => one.Name)]);
    }

    /// <summary>Adds the options.</summary>
    public void AddTo(Command command)
    {
        command.Add(_weights);
        command.Add(_include);
    }

    /// <summary>The options of a model with what was chosen.</summary>
    /// <exception cref="ArgumentException">There is no such part, or nothing is quantised.</exception>
    public ModelOptions Read(ParseResult parsed)
    {
        WeightScheme scheme = s_schemes.First(one => one.Name == parsed.GetRequiredValue(_weights)).Scheme;
        return new ModelOptions { Weights = scheme, Include = IncludeArgument.Get(parsed, _include, scheme) };
    }

    /// <summary>The name of a format.</summary>
    public static string NameOf(WeightScheme scheme) => s_schemes.First(one => one.Scheme == scheme).Name;
}
