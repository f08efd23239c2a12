using System.Text.Json;
using Llama4Kernels.Server.Errors;

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

    public static IReadOnlyList<RequestField> Completion { get; } =
    [
        "model", "prompt", "stream", "stream_options", "n", "best_of", "max_tokens", "logprobs",
        .. s_sampling, .. s_labels,
        RequestField.False("echo", "The prompt is not repeated: leave the field out or give false."),
        RequestField.Texts("suffix", "Texts are continued, not filled in.", string.Empty),
    ];

    public static IReadOnlyList<RequestField> Response { get; } =
    [
        "model", "input", "instructions", "stream", "stream_options", "max_output_tokens", "top_logprobs", "include",
        "tools", "tool_choice", "parallel_tool_calls", "text",
        .. s_sampling, .. s_labels, s_store,
        RequestField.Never("previous_response_id", "Nothing is stored: give the conversation as 'input'."),
        RequestField.Never("conversation", "Nothing is stored: give the conversation as 'input'."),
        RequestField.Never("prompt", "No prompts are stored: give 'instructions' and 'input'."),
        RequestField.Never("reasoning", "The model does not reason apart from its answer: leave the field out."),
        RequestField.Never("max_tool_calls", "Tools are called by the client, which counts the calls itself."),
        RequestField.Never("context_management", "The conversation is taken as it is."),
        RequestField.False("background", "Responses are made while the client waits."),
        RequestField.Texts("truncation", "The conversation is taken as it is: a longer one than the context is an error.", "disabled"),
    ];

    public static IReadOnlyList<RequestField> Tokenize { get; } = ["model", "prompt", "messages", "add_special_tokens"];

    public static IReadOnlyList<RequestField> Detokenize { get; } = ["model", "tokens"];

    public static IReadOnlyList<RequestField> StreamOptions { get; } = ["include_usage", "include_obfuscation"];

    /// <summary>The body of a request.</summary>
    public static Fields Read(JsonElement body, IReadOnlyList<RequestField> known)
    {
        Fields fields = Fields.Of(body, string.Empty);
        fields.Check(known);
        return fields;
    }

    /// <summary>Whether an answer is streamed, and whether the stream ends with the usage.</summary>
    public static (bool IsStream, bool IncludeUsage) ReadStream(Fields fields)
    {
        bool isStream = fields.Flag("stream");
        Fields? options = fields.Object("stream_options");
        options?.Check(StreamOptions);
        return options is null || isStream
            ? (isStream, options?.Flag("include_usage") ?? false)
            : throw ApiException.Invalid("stream_options", "'stream_options' is for streams: give 'stream': true.");
    }
}
