using System.Globalization;
using System.Text.Json;
using Llama4Kernels.Engine.Generation;
using Llama4Kernels.Engine.Serving;
using Llama4Kernels.Server.Errors;

namespace Llama4Kernels.Server.Requests;

/// <summary>Reads how tokens are to be drawn and when an answer ends: the part that all kinds of requests share.</summary>
/// <param name="engine">Whose context bounds an answer.</param>
/// <param name="limits">The server's.</param>
internal sealed class SamplingReader(Llama4Engine engine, ServerLimits limits)
{
    private static readonly GenerationOptions s_defaults = new();

    /// <summary>The options that the fields ask for; what they leave out is as the engine has it.</summary>
    /// <param name="fields">The request.</param>
    /// <param name="maxTokens">Tokens of the answer, as <see cref="MaxTokens"/> reads them.</param>
    public GenerationOptions Read(Fields fields, int? maxTokens) => new()
    {
        Temperature = (float)(fields.Number("temperature", 0, 2) ?? s_defaults.Temperature),
        TopP = (float)(fields.Number("top_p", 0, 1, without: true) ?? s_defaults.TopP),
        TopK = TopK(fields),
        MinP = (float?)fields.Number("min_p", 0, 1),
        PresencePenalty = (float)(fields.Number("presence_penalty", -2, 2) ?? 0),
        FrequencyPenalty = (float)(fields.Number("frequency_penalty", -2, 2) ?? 0),
        RepetitionPenalty = (float)(fields.Number("repetition_penalty", 0, 100, without: true) ?? 1),
        Seed = (ulong?)fields.Integer("seed", long.MinValue, long.MaxValue),
        StopStrings = Stop(fields),
        LogitBias = Bias(fields),
        IgnoreEos = fields.Flag("ignore_eos"),
        MaxTokens = maxTokens,
    };

    /// <summary>The most tokens of an answer by one of the names that the limit has.</summary>
    public int? MaxTokens(Fields fields, params ReadOnlySpan<string> names)
    {
        int most = Math.Min(limits.MaxNewTokens ?? int.MaxValue, engine.MaxContext);
        (string Name, long Value)? found = null;
        foreach (string name in names)
        {
            if (fields.Integer(name, 1, most) is long value)
            {
                found = found is null ? (name, value) : throw ApiException.Invalid(fields.At(name), $"'{name}' and '{found.Value.Name}' say the same; give one of them.");
            }
        }
        return (int?)found?.Value ?? limits.MaxNewTokens;
    }

    /// <summary>How many choices are asked for.</summary>
    public int Choices(Fields fields, int prompts = 1)
    {
        int most = limits.MaxChoices / prompts;
        return most >= 1
            ? (int)(fields.Integer("n", 1, most) ?? 1)
            : throw ApiException.Invalid("prompt", $"{prompts} prompts are more than the {limits.MaxChoices} choices that a request may have.");
    }

    // 0 and -1 are what others write for all of them.
    private static int? TopK(Fields fields) => fields.Integer("top_k", -1, int.MaxValue) is long most and > 0 ? (int)most : null;

    private Dictionary<int, float> Bias(Fields fields)
    {
        if (fields.Object("logit_bias") is not Fields biases)
        {
            return [];
        }
        Dictionary<int, float> read = [];
        foreach (JsonProperty property in biases.Element.EnumerateObject())
        {
            string path = biases.At(property.Name.Length > 40 ? property.Name[..40] : property.Name);
            if (read.Count == limits.MaxLogitBias)
            {
                throw ApiException.Invalid("logit_bias", $"'logit_bias' has more than {limits.MaxLogitBias} tokens.", "too_many_items");
            }
            if (!int.TryParse(property.Name, NumberStyles.None, CultureInfo.InvariantCulture, out int id) || id >= engine.Model.VocabularySize)
            {
                throw ApiException.Invalid(path, $"'{path}': the ids of tokens are 0 to {engine.Model.VocabularySize - 1}.");
            }
            read[id] = (float)(new Fields(biases.Element, "logit_bias").Number(property.Name, -100, 100) ?? 0);
        }
        return read;
    }

    private string[] Stop(Fields fields)
    {
        string path = fields.At("stop");
        string[] stops = fields.Any("stop") switch
        {
            null => [],
            { ValueKind: JsonValueKind.String } text => [text.GetString()!],
            JsonElement list => [.. Fields.ListOf(list, path, limits.MaxStopStrings).Select(item => Fields.TextOf(item.Item, item.Path))],
        };
        return stops.All(stop => stop.Length >= 1 && stop.Length <= limits.MaxStopLength)
            ? stops
            : throw ApiException.Invalid(path, $"A stop string has 1 to {limits.MaxStopLength} characters.");
    }
}
