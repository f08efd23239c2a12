using System.Text.Json;
using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Constraints;
using Llama4Kernels.Engine.Generation;
using Llama4Kernels.Engine.Serving;
using Microsoft.Extensions.AI;
using ChatMessage = Microsoft.Extensions.AI.ChatMessage;
using ChatRole = Microsoft.Extensions.AI.ChatRole;
using TextContent = Microsoft.Extensions.AI.TextContent;

namespace Llama4Kernels.Hosting;

/// <summary>What a request asks for, in the engine's terms. Every option is honoured or refused.</summary>
/// <param name="Conversation">Instructions, tools and how they may be called, priority and salt.</param>
/// <param name="Generation">How to generate.</param>
/// <param name="Messages">The messages after the instructions.</param>
internal sealed record ChatRequest(ConversationOptions Conversation, GenerationOptions Generation, IReadOnlyList<ChatMessage> Messages)
{
    /// <summary>Reads a request; <paramref name="options"/> is left as it is.</summary>
    /// <param name="client">Who is asked, for <see cref="ChatOptions.RawRepresentationFactory"/>.</param>
    /// <param name="constraints">Compiles what answers are to keep to.</param>
    /// <param name="messages">The messages.</param>
    /// <param name="options">The options; null for none.</param>
    /// <exception cref="UnsupportedRequestException">An option cannot be honoured.</exception>
    /// <exception cref="ArgumentException">A value is out of its range or of a wrong type.</exception>
    /// <exception cref="Llama4Exception">A schema cannot be kept to.</exception>
    public static ChatRequest Read(IChatClient client, ConstraintCompiler constraints, IReadOnlyList<ChatMessage> messages, ChatOptions? options)
    {
        options ??= new ChatOptions();
        CheckHonoured(options);
        var properties = new PropertyReader(options.AdditionalProperties);
        ToolDefinition[] tools = [.. (options.Tools ?? []).Select(ToolContents.Definition)];
        string? system = string.IsNullOrEmpty(options.Instructions) ? null : options.Instructions;
        if (system is null && messages is [{ } first, ..] && first.Role == ChatRole.System && first.Contents.All(content => content is TextContent))
        {
            // Tools are described in the turn of the instructions, as the model was taught.
            (system, messages) = (first.Text, [.. messages.Skip(1)]);
        }
        var conversation = new ConversationOptions
        {
            System = system,
            Tools = tools,
            ToolChoice = Choice(options, tools, properties.Flag(Llama4Properties.Strict)),
            Priority = properties.Integer(Llama4Properties.Priority) ?? 0,
            Salt = properties.Text(Llama4Properties.CacheSalt) ?? string.Empty,
        };
        GenerationOptions generation = Sampling(options, properties, Raw(client, options));
        return new ChatRequest(conversation, generation with { Constraint = Form(options, constraints, generation.Constraint) }, messages);
    }

    private static void CheckHonoured(ChatOptions options)
    {
        if (options.ConversationId is not null)
        {
            throw Unsupported(nameof(options.ConversationId), "conversations are not kept: give all messages with each request; what is cached of them is found again.");
        }
        if (options.ContinuationToken is not null)
        {
            throw Unsupported(nameof(options.ContinuationToken), "answers are not kept: an interrupted one cannot be resumed.");
        }
        if (options.Reasoning is { Effort: not (null or ReasoningEffort.None) })
        {
            throw Unsupported(nameof(options.Reasoning), "the model does not reason before it answers.");
        }
    }

    /// <summary>What the host gives of the engine's own options; the request's stand above them.</summary>
    private static GenerationOptions Raw(IChatClient client, ChatOptions options) => options.RawRepresentationFactory?.Invoke(client) switch
    {
        null => new GenerationOptions(),
        GenerationOptions generation => generation,
        { } other => throw Unsupported(nameof(options.RawRepresentationFactory), $"it gave a {other.GetType().FullName}; it may give a {typeof(GenerationOptions).FullName}."),
    };

    private static GenerationOptions Sampling(ChatOptions options, PropertyReader properties, GenerationOptions raw) => raw with
    {
        Temperature = options.Temperature ?? raw.Temperature,
        TopP = options.TopP ?? raw.TopP,
        TopK = options.TopK ?? raw.TopK,
        MinP = properties.Number(Llama4Properties.MinP) ?? raw.MinP,
        RepetitionPenalty = properties.Number(Llama4Properties.RepetitionPenalty) ?? raw.RepetitionPenalty,
        PresencePenalty = options.PresencePenalty ?? raw.PresencePenalty,
        FrequencyPenalty = options.FrequencyPenalty ?? raw.FrequencyPenalty,
        LogitBias = properties.NumbersByToken(Llama4Properties.LogitBias) ?? raw.LogitBias,
        // All 64 bits count, so that seeds below zero are seeds like others.
        Seed = options.Seed is long seed ? unchecked((ulong)seed) : raw.Seed,
        MaxTokens = options.MaxOutputTokens ?? raw.MaxTokens,
        StopStrings = options.StopSequences is { } stops ? [.. stops] : raw.StopStrings,
    };

    private static ITokenConstraint? Form(ChatOptions options, ConstraintCompiler constraints, ITokenConstraint? raw)
    {
        if (options.ResponseFormat is null or ChatResponseFormatText)
        {
            return raw;
        }
        if (raw is not null)
        {
            throw Unsupported(nameof(options.ResponseFormat), $"the {nameof(GenerationOptions)} of the {nameof(options.RawRepresentationFactory)} have a constraint already; an answer keeps to one.");
        }
        if (options.Tools is { Count: > 0 })
        {
            throw Unsupported(nameof(options.ResponseFormat), "an answer keeps to a schema or calls tools, not both: ask without tools, or for text.");
        }
        return options.ResponseFormat switch
        {
            ChatResponseFormatJson { Schema: JsonElement schema } => constraints.JsonSchema(schema),
            ChatResponseFormatJson => constraints.JsonObject(),
            { } other => throw Unsupported(nameof(options.ResponseFormat), $"there is no form '{other.GetType().Name}'; there are text and JSON."),
        };
    }

    private static ToolChoice? Choice(ChatOptions options, ToolDefinition[] tools, bool strict)
    {
        if (tools.Length == 0)
        {
            return options.ToolMode is RequiredChatToolMode
                ? throw new ArgumentException("ChatOptions.ToolMode requires a call, but there are no tools.", nameof(options))
                : null;
        }
        bool several = options.AllowMultipleToolCalls ?? true;
        return options.ToolMode switch
        {
            null or AutoChatToolMode => strict || !several ? ToolChoice.Auto with { AllowsSeveral = several } : null,
            NoneChatToolMode => ToolChoice.None,
            RequiredChatToolMode { RequiredFunctionName: { } name } => ToolChoice.Named(name),
            RequiredChatToolMode => ToolChoice.Required with { AllowsSeveral = several },
            { } other => throw Unsupported(nameof(options.ToolMode), $"there is no mode '{other.GetType().Name}'."),
        };
    }

    private static UnsupportedRequestException Unsupported(string option, string reason) => new($"ChatOptions.{option}", reason);
}
