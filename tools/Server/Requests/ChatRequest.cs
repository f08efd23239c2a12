using System.Text.Json;
using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Constraints;
using Llama4Kernels.Engine.Generation;
using Llama4Kernels.Engine.Serving;
using Llama4Kernels.Server.Errors;
using Llama4Kernels.Server.Serving;

namespace Llama4Kernels.Server.Requests;

/// <summary>What both kinds of conversations ask for: what was said, with which tools, and how to answer.</summary>
/// <param name="Messages">What was said, the last of it to be answered.</param>
/// <param name="Tools">Tools and their choice.</param>
/// <param name="Generation">How to answer.</param>
/// <param name="Constraint">What the answer keeps to, beside a choice of tools; null for nothing.</param>
/// <param name="Salt">Whose prefixes it shares.</param>
internal sealed record Talk(IReadOnlyList<ChatMessage> Messages, RequestTools Tools, GenerationOptions Generation, ITokenConstraint? Constraint, string Salt)
{
    /// <summary>The answer to it, as the engine gives it.</summary>
    /// <param name="engine">The engine.</param>
    /// <param name="choice">Which of several; each draws with a seed of its own.</param>
    /// <param name="param">The field that has the messages, for errors.</param>
    /// <param name="cancellation">Gives it up.</param>
    public IAsyncEnumerable<GenerationUpdate> Answer(Llama4Engine engine, int choice, string param, CancellationToken cancellation)
    {
        // The first message opens the prompt together with the tools.
        bool hasSystem = Messages is [{ Role: ChatRole.System, Content: [TextContent] }, ..];
        Conversation conversation = ErrorTable.At("tools", () => engine.CreateConversation(new ConversationOptions
        {
            System = hasSystem ? ((TextContent)Messages[0].Content[0]).Text : null,
            Tools = Tools.Definitions,
            // A schema keeps the answer from calling, too, and an answer keeps to one thing.
            ToolChoice = Constraint is null ? Tools.Choice : null,
            Salt = Salt,
        }));
        foreach (ChatMessage message in Messages.Skip(hasSystem ? 1 : 0))
        {
            ErrorTable.At(param, () =>
            {
                conversation.Add(message);
                return true;
            });
        }
        GenerationOptions options = Generation with
        {
            Seed = Generation.Seed is ulong seed ? unchecked(seed + (ulong)choice) : null,
            Constraint = Constraint,
        };
        return conversation.AnswerAsync(options, null, cancellation);
    }

    /// <summary>Refuses a form of the answer beside tools that may be called: an answer keeps to one of them.</summary>
    public static void CheckForm(RequestTools tools, ITokenConstraint? constraint, string param)
    {
        if (constraint is not null && !tools.IsText)
        {
            throw ApiException.Unsupported(param, $"An answer keeps to '{param}' or calls tools: give the tool_choice 'none', or leave one of them out.");
        }
    }
}

/// <summary>A request for chat completions.</summary>
/// <param name="Talk">What is to be answered.</param>
/// <param name="Choices">How many answers are wanted.</param>
/// <param name="IsStream">Whether they are streamed.</param>
/// <param name="IncludeUsage">Whether a stream ends with the usage.</param>
internal sealed record ChatRequest(Talk Talk, int Choices, bool IsStream, bool IncludeUsage)
{
    public static async Task<ChatRequest> ReadAsync(JsonElement body, RequestScope scope)
    {
        Fields fields = RequestFields.Read(body, RequestFields.Chat);
        scope.CheckModel(fields);
        (Llama4Engine engine, ServerLimits limits) = (scope.Engine, scope.Limits);
        var sampling = new SamplingReader(engine, limits);
        (bool isStream, bool includeUsage) = RequestFields.ReadStream(fields);
        GenerationOptions generation = sampling.Read(fields, sampling.MaxTokens(fields, "max_completion_tokens", "max_tokens"));
        int top = (int)(fields.Integer("top_logprobs", 0, GenerationOptions.MaxTopLogprobs) ?? 0);
        bool logprobs = fields.Flag("logprobs");
        if (top > 0 && !logprobs)
        {
            throw ApiException.Invalid("top_logprobs", "'top_logprobs' needs 'logprobs': true.");
        }
        int choices = sampling.Choices(fields);
        RequestTools tools = ToolReader.Read(fields, limits, isFlat: false);
        ITokenConstraint? constraint = AnswerFormat.Read(fields.Object("response_format"), engine.Model.Constraints, limits, isFlat: false);
        Talk.CheckForm(tools, constraint, "response_format");
        IReadOnlyList<ChatMessage> messages = await new ChatMessages(engine.Model, scope.Pictures(), limits).ReadAsync(fields, scope.Cancellation).ConfigureAwait(false);
        var talk = new Talk(messages, tools, generation with { Logprobs = logprobs, TopLogprobs = top }, constraint, scope.Salt);
        return new ChatRequest(talk, choices, isStream, includeUsage);
    }
}
