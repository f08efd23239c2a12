using System.Text.Json;
using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Constraints;
using Llama4Kernels.Engine.Generation;
using Llama4Kernels.Engine.Serving;
using Llama4Kernels.Server.Errors;
using Llama4Kernels.Server.Serving;

namespace Llama4Kernels.Server.Requests;

/// <summary>A request for a response.</summary>
/// <param name="Talk">What is to be answered.</param>
/// <param name="IsStream">Whether it is streamed.</param>
/// <param name="Instructions">Instructions, which the response repeats; null for none.</param>
/// <param name="MaxTokens">The limit that was asked for; null for none.</param>
/// <param name="Echoes">Fields that the response repeats as they were, by name.</param>
internal sealed record ResponseRequest(Talk Talk, bool IsStream, string? Instructions, int? MaxTokens, IReadOnlyDictionary<string, string> Echoes)
{
    private const string Logprobs = "message.output_text.logprobs";

    public static async Task<ResponseRequest> ReadAsync(JsonElement body, RequestScope scope)
    {
        Fields fields = RequestFields.Read(body, RequestFields.Response);
        scope.CheckModel(fields);
        (Llama4Engine engine, ServerLimits limits) = (scope.Engine, scope.Limits);
        var sampling = new SamplingReader(engine, limits);
        fields.Object("stream_options")?.Check(["include_obfuscation"]);
        bool logprobs = false;
        foreach ((JsonElement item, string path) in fields.List("include", 1))
        {
            logprobs = Fields.TextOf(item, path) == Logprobs ? true : throw ApiException.Unsupported(path, $"Only '{Logprobs}' can be included.");
        }
        int? top = (int?)fields.Integer("top_logprobs", 0, GenerationOptions.MaxTopLogprobs);
        int? maxTokens = sampling.MaxTokens(fields, "max_output_tokens");
        GenerationOptions generation = sampling.Read(fields, maxTokens) with { Logprobs = logprobs || top > 0, TopLogprobs = top ?? 0 };
        RequestTools tools = ToolReader.Read(fields, limits, isFlat: true);
        Fields? text = fields.Object("text");
        text?.Check(["format", RequestField.Texts("verbosity", "There is one verbosity: leave the field out.", "medium")]);
        ITokenConstraint? constraint = AnswerFormat.Read(text?.Object("format"), engine.Model.Constraints, limits, isFlat: true);
        Talk.CheckForm(tools, constraint, "text.format");
        IReadOnlyList<ChatMessage> messages = await new ResponseInput(engine.Model, scope.Pictures(), limits).ReadAsync(fields, scope.Cancellation).ConfigureAwait(false);
        Dictionary<string, string> echoes = [];
        foreach (string name in (string[])["tools", "tool_choice", "text", "metadata"])
        {
            if (fields.Any(name) is JsonElement value)
            {
                echoes[name] = value.GetRawText();
            }
        }
        return new ResponseRequest(
            new Talk(messages, tools, generation, constraint, scope.Salt), fields.Flag("stream"), fields.Text("instructions"), maxTokens, echoes);
    }
}
