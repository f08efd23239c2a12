using System.Text.Json;

namespace Llama4Kernels.Server.Requests;

/// <summary>
/// The fields of each kind of request: those that are read, those that change no answer and may be anything (who asks, labels,
/// hints of caching and speed), and those of what this server does not do, which may only say so.
/// </summary>
internal static class RequestFields
{
    private static readonly RequestField[] s_sampling =
    [
        "temperature", "top_p", "top_k", "min_p", "presence_penalty", "frequency_penalty", "repetition_penalty", "seed", "stop",
        "logit_bias", "ignore_eos",
    ];

    private static readonly RequestField[] s_labels =
    [
        "user", "safety_identifier", "metadata", "prompt_cache_key", "prompt_cache_retention",
        RequestField.Texts("service_tier", "There is one tier of service: leave the field out.", "auto", "default"),
    ];

    private static readonly RequestField s_store = RequestField.False("store", "Nothing is stored: leave the field out or give false.");

    public static IReadOnlyList<RequestField> Chat { get; } =
    [
        "model", "messages", "stream", "stream_options", "n", "max_tokens", "max_completion_tokens", "logprobs", "top_logprobs",
        "tools", "tool_choice", "parallel_tool_calls", "response_format", "prediction",
        .. s_sampling, .. s_labels, s_store,
        RequestField.Never("functions", "Functions are given as tools."),
        RequestField.Never("function_call", "Which function is to be called is said with tool_choice."),
        RequestField.Never("audio", "The model does not speak."),
        RequestField.Never("web_search_options", "There is no search."),
        RequestField.Texts("reasoning_effort", "The model does not reason apart from its answer: leave the field out.", "none"),
        RequestField.Texts("verbosity", "There is one verbosity: leave the field out.", "medium"),
        new("modalities", new OnlyValue(
            value => value.ValueKind == JsonValueKind.Array && value.EnumerateArray().All(item => item.ValueKind == JsonValueKind.String && item.GetString() == "text"),
            "The model answers in text only.")),
    ];

    public static IReadOnlyList<RequestField> StreamOptions { get; } = ["include_usage", "include_obfuscation"];

    /// <summary>The body of a request.</summary>
    public static Fields Read(JsonElement body, IReadOnlyList<RequestField> known)
    {
        Fields fields = Fields.Of(body, string.Empty);
        fields.Check(known);
        return fields;
    }
}
