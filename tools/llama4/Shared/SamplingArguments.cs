using System.CommandLine;
using Llama4Kernels.Engine.Generation;

namespace Llama4Kernels.Cli.Shared;

/// <summary>The options that say how tokens are drawn.</summary>
internal sealed class SamplingArguments
{
    private readonly Option<float?> _temperature = new("--temperature", "-t") { Description = "Divides the logits; 0 always takes the most likely token. Default 0.6; 0 for describe.", CustomParser = Numbers.ReadOptional<float> };
    private readonly Option<float?> _topP = new("--top-p") { Description = "Draws from the most likely tokens that together reach this probability. Default 0.9.", CustomParser = Numbers.ReadOptional<float> };
    private readonly Option<int?> _topK = new("--top-k") { Description = "Draws from this many of the most likely tokens.", CustomParser = Numbers.ReadOptional<int> };
    private readonly Option<float?> _minP = new("--min-p") { Description = "Drops tokens less likely than this share of the most likely one.", CustomParser = Numbers.ReadOptional<float> };
    private readonly Option<float?> _repetition = new("--repetition-penalty") { Description = "Divides the logits of tokens that occurred. Default 1: none.", CustomParser = Numbers.ReadOptional<float> };
    private readonly Option<ulong?> _seed = new("--seed") { Description = "The same seed gives the same text.", CustomParser = Numbers.ReadOptional<ulong> };
    private readonly Option<int?> _maxTokens = new("--max-tokens", "-n") { Description = "The most tokens to generate.", CustomParser = Numbers.ReadOptional<int> };
    private readonly Option<string[]> _stop = new("--stop") { Description = "Text that ends the generation; may be repeated." };

    public void AddTo(Command command)
    {
        foreach (Option option in (Option[])[_temperature, _topP, _topK, _minP, _repetition, _seed, _maxTokens, _stop])
        {
            command.Add(option);
        }
    }

    /// <summary>The generation options; <paramref name="temperature"/> replaces the default one.</summary>
    /// <exception cref="ArgumentException">A value is out of range.</exception>
    public GenerationOptions Read(ParseResult parsed, float? temperature = null)
    {
        var defaults = new GenerationOptions();
        return new GenerationOptions
        {
            Temperature = parsed.GetValue(_temperature) ?? temperature ?? defaults.Temperature,
            TopP = parsed.GetValue(_topP) ?? defaults.TopP,
            TopK = parsed.GetValue(_topK),
            MinP = parsed.GetValue(_minP),
            RepetitionPenalty = parsed.GetValue(_repetition) ?? defaults.RepetitionPenalty,
            Seed = parsed.GetValue(_seed),
            MaxTokens = parsed.GetValue(_maxTokens),
            StopStrings = parsed.GetValue(_stop) ?? [],
        };
    }
}
