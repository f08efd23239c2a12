using System.Text.Json;
using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Generation;
using Llama4Kernels.Engine.Serving;
using Llama4Kernels.Server.Errors;
using Llama4Kernels.Server.Serving;

namespace Llama4Kernels.Server.Requests;

/// <summary>A request for completions of texts as they stand.</summary>
/// <param name="Prompts">What is to be continued.</param>
/// <param name="PerPrompt">How many choices each has.</param>
/// <param name="Generation">How to continue.</param>
/// <param name="IsStream">Whether they are streamed.</param>
/// <param name="IncludeUsage">Whether a stream ends with the usage.</param>
internal sealed record CompletionRequest(IReadOnlyList<Prompt> Prompts, int PerPrompt, GenerationOptions Generation, bool IsStream, bool IncludeUsage)
{
    private const string Field = "prompt";
    private const int UsualTokens = 16;

    public static CompletionRequest Read(JsonElement body, RequestScope scope)
    {
        Fields fields = RequestFields.Read(body, RequestFields.Completion);
        scope.CheckModel(fields);
        (Llama4Engine engine, ServerLimits limits) = (scope.Engine, scope.Limits);
        var sampling = new SamplingReader(engine, limits);
        (bool isStream, bool includeUsage) = RequestFields.ReadStream(fields);
        // As OpenAI has it, unless the server's limit is less.
        int? most = fields.Any("max_tokens") is null ? Math.Min(UsualTokens, limits.MaxNewTokens ?? UsualTokens) : sampling.MaxTokens(fields, "max_tokens");
        long? logprobs = fields.Integer("logprobs", 0, GenerationOptions.MaxTopLogprobs);
        GenerationOptions generation = sampling.Read(fields, most) with { Logprobs = logprobs is not null, TopLogprobs = (int)(logprobs ?? 0) };
        Prompt[] prompts = [.. ReadPrompts(fields.NeedAny(Field), engine, limits)];
        int choices = sampling.Choices(fields, prompts.Length);
        if (fields.Integer("best_of", 1, int.MaxValue) is long best && best != choices)
        {
            throw ApiException.Unsupported("best_of", "'best_of' must be 'n': all choices are given.");
        }
        return new CompletionRequest(prompts, choices, generation, isStream, includeUsage);
    }

    /// <summary>A text, texts, ids, or lists of ids.</summary>
    private static IEnumerable<Prompt> ReadPrompts(JsonElement prompt, Llama4Engine engine, ServerLimits limits)
    {
        if (prompt.ValueKind == JsonValueKind.String)
        {
            return [Of(prompt.GetString()!, engine)];
        }
        if (prompt.ValueKind != JsonValueKind.Array)
        {
            throw Fields.Wrong(Field, "a text, ids of tokens, or a list of those", prompt);
        }
        if (prompt.GetArrayLength() == 0)
        {
            throw ApiException.Invalid(Field, "'prompt' is empty: there is nothing to continue.");
        }
        return prompt[0].ValueKind == JsonValueKind.Number
            ? [Ids(prompt, Field, engine)]
            : Fields.ListOf(prompt, Field, limits.MaxPrompts).Select(item => item.Item.ValueKind == JsonValueKind.Array ? Ids(item.Item, item.Path, engine) : Of(Fields.TextOf(item.Item, item.Path), engine));
    }

    private static Prompt Of(string text, Llama4Engine engine) => engine.Model.EncodeCompletion([new TextContent(text)]);

    /// <summary>Ids as they stand. A picture's cannot be among them: there is no picture.</summary>
    private static Prompt Ids(JsonElement ids, string path, Llama4Engine engine)
    {
        int[] read = [.. Fields.ListOf(ids, path, int.MaxValue).Select(item => (int)Fields.IntegerOf(item.Item, item.Path, 0, engine.Model.VocabularySize - 1))];
        return read.Length > 0 ? Prompt.FromIds(read) : throw ApiException.Invalid(path, $"'{path}' is empty: there is nothing to continue.");
    }
}
