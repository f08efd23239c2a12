using System.Text.Json;

namespace Llama4Kernels.Server.Answers;

/// <summary>Writes what a request took, as completions have it.</summary>
internal static class UsageWriter
{
    /// <summary>The sum over choices of as many prompts as are given; choices of one prompt share it.</summary>
    /// <param name="json">Takes it.</param>
    /// <param name="choices">All choices, those of a prompt one after another.</param>
    /// <param name="perPrompt">How many choices a prompt has; 0 for all.</param>
    public static void Write(Utf8JsonWriter json, IReadOnlyList<Choice> choices, int perPrompt = 0)
    {
        Choice[] firsts = [.. choices.Where((_, i) => i % (perPrompt > 0 ? perPrompt : choices.Count) == 0)];
        int prompt = firsts.Sum(choice => choice.Usage?.PromptTokens ?? 0);
        int completion = choices.Sum(choice => choice.Usage?.CompletionTokens ?? 0);
        json.WriteStartObject("usage"u8);
        json.WriteNumber("prompt_tokens"u8, prompt);
        json.WriteNumber("completion_tokens"u8, completion);
        json.WriteNumber("total_tokens"u8, prompt + completion);
        json.WriteStartObject("prompt_tokens_details"u8);
        json.WriteNumber("cached_tokens"u8, firsts.Sum(choice => choice.Usage?.CachedTokens ?? 0));
        json.WriteNumber("image_tokens"u8, firsts.Sum(choice => choice.Usage?.ImageTokens ?? 0));
        json.WriteEndObject();
        json.WriteEndObject();
    }
}
