using Microsoft.Extensions.AI;

namespace Llama4Kernels.Hosting;

/// <summary>
/// Names in <see cref="ChatOptions.AdditionalProperties"/> for what <see cref="ChatOptions"/> lacks. Another name, or a value of
/// another type, is an error. Numbers may be of any numeric type; all values may be <see cref="System.Text.Json.JsonElement"/>s.
/// </summary>
public static class Llama4Properties
{
    /// <summary>A number in [0, 1]: <see cref="Engine.Generation.GenerationOptions.MinP"/>.</summary>
    public const string MinP = "min_p";

    /// <summary>A number above 0: <see cref="Engine.Generation.GenerationOptions.RepetitionPenalty"/>.</summary>
    public const string RepetitionPenalty = "repetition_penalty";

    /// <summary>
    /// What is added to tokens' logits: an <see cref="IReadOnlyDictionary{TKey, TValue}"/> of int and float, or a JSON object by
    /// the ids' digits: <see cref="Engine.Generation.GenerationOptions.LogitBias"/>.
    /// </summary>
    public const string LogitBias = "logit_bias";

    /// <summary>A whole number: <see cref="Engine.Serving.ConversationOptions.Priority"/>.</summary>
    public const string Priority = "priority";

    /// <summary>A text: <see cref="Engine.Serving.ConversationOptions.Salt"/>, of the tenant whose request it is.</summary>
    public const string CacheSalt = "cache_salt";

    /// <summary>
    /// True makes calls that the model is free to make (<see cref="ChatToolMode.Auto"/>) keep to the tools' schemas, as those that it
    /// must make always do.
    /// </summary>
    public const string Strict = "strict";
}
