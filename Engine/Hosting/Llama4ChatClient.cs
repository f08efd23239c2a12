using System.Runtime.CompilerServices;
using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Generation;
using Llama4Kernels.Engine.Serving;
using Llama4Kernels.Engine.Tokenization;
using Microsoft.Extensions.AI;
using EngineFinish = Llama4Kernels.Engine.Chat.FinishReason;
using EngineMessage = Llama4Kernels.Engine.Chat.ChatMessage;
using ToolCall = Llama4Kernels.Engine.Chat.ToolCall;

namespace Llama4Kernels.Hosting;

/// <summary>
/// An engine as an <see cref="IChatClient"/>. Any number of requests may be made at once; they are computed together, and what is
/// cached of equal beginnings serves them all. Options and messages are read when a request is made and never changed; tools are
/// never invoked (<c>UseFunctionInvocation</c> does that). What cannot be honoured throws an <see cref="UnsupportedRequestException"/>.
/// </summary>
public sealed class Llama4ChatClient : IChatClient
{
    /// <summary>Key in <see cref="UsageDetails.AdditionalCounts"/>: tokens of the input that stand for pictures.</summary>
    public const string ImageTokenCount = "InputImageTokenCount";

    private readonly Func<CancellationToken, Task<Llama4Engine>> _getEngine;
    private readonly Func<Llama4Engine?> _peekEngine;
    private readonly ChatClientMetadata _metadata;
    private readonly IPictureFetcher? _pictures;

    /// <summary>A client of an engine that is there. The engine stays its owner's.</summary>
    /// <param name="engine">The engine; its checkpoint must have a tokenizer.</param>
    /// <param name="modelId">What the model is called; null for the name of its folder.</param>
    /// <param name="pictures">Fetches pictures that messages name by address; null refuses such messages.</param>
    public Llama4ChatClient(Llama4Engine engine, string? modelId = null, IPictureFetcher? pictures = null)
    {
        ArgumentNullException.ThrowIfNull(engine);
        Task<Llama4Engine> loaded = Task.FromResult(engine);
        _getEngine = _ => loaded;
        _peekEngine = () => engine;
        _metadata = Metadata(modelId ?? Llama4EngineOptions.NameOf(engine.Model.Folder));
        _pictures = pictures;
    }

    /// <summary>A client of an engine that a host loads: requests wait for it.</summary>
    internal Llama4ChatClient(Llama4EngineLoader loader, IPictureFetcher? pictures)
    {
        _getEngine = loader.GetEngineAsync;
        _peekEngine = () => loader.Engine;
        _metadata = Metadata(loader.ModelId);
        _pictures = pictures;
    }

    /// <inheritdoc/>
    /// <remarks>It throws what <see cref="GetStreamingResponseAsync"/> does.</remarks>
    public Task<ChatResponse> GetResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default) =>
        GetStreamingResponseAsync(messages, options, cancellationToken).ToChatResponseAsync(cancellationToken);

    /// <summary>
    /// Streams the answer. Text and calls come as they are certain, each update with role, ids, model and time, and the engine's
    /// <see cref="GenerationUpdate"/> as <see cref="ChatResponseUpdate.RawRepresentation"/>; the last has the finish reason and a
    /// <see cref="UsageContent"/>. Errors come with the first update or, of a failing engine, in between. Who stops enumerating gives the request up.
    /// </summary>
    /// <param name="messages">The whole conversation, ending with the user or results of tools.</param>
    /// <param name="options">How to answer; null for the defaults.</param>
    /// <param name="cancellationToken">Gives the request up.</param>
    /// <exception cref="UnsupportedRequestException">The request asks for what cannot be honoured.</exception>
    /// <exception cref="ArgumentException">A value is out of its range or of a wrong type, or the messages are no conversation to answer.</exception>
    /// <exception cref="Llama4Exception">The model could not be loaded, a picture or a schema is malformed, or the engine refuses the request.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The engine is disposed or being so, before or meanwhile.</exception>
    public IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(messages);
        return StreamAsync([.. messages], options?.Clone(), cancellationToken);
    }

    /// <summary>
    /// The client itself, its <see cref="ChatClientMetadata"/>, and, once the engine is loaded, the <see cref="Llama4Engine"/> and
    /// the <see cref="Llama4Tokenizer"/>; null for all else.
    /// </summary>
    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        return serviceKey is not null ? null
            : serviceType == typeof(ChatClientMetadata) ? _metadata
            : serviceType == typeof(Llama4Engine) ? _peekEngine()
            : serviceType == typeof(Llama4Tokenizer) ? _peekEngine()?.Model.Tokenizer
            : serviceType.IsInstanceOfType(this) ? this
            : null;
    }

    /// <summary>Does nothing: the engine is its owner's, and requests that run go on.</summary>
    public void Dispose()
    {
    }

    private async IAsyncEnumerable<ChatResponseUpdate> StreamAsync(ChatMessage[] messages, ChatOptions? options, [EnumeratorCancellation] CancellationToken cancellation)
    {
        if (options?.ModelId is { } asked && asked != _metadata.DefaultModelId)
        {
            throw new UnsupportedRequestException($"ChatOptions.{nameof(options.ModelId)}", $"the model here is '{_metadata.DefaultModelId}', not '{asked}'.");
        }
        Llama4Engine engine = await _getEngine(cancellation).ConfigureAwait(false);
        // Pictures and schemas take time, which is not the caller's thread's.
        (Conversation conversation, GenerationOptions generation) = await Task.Run(() => BeginAsync(engine, messages, options, cancellation), cancellation).ConfigureAwait(false);
        string id = Guid.NewGuid().ToString("N");
        DateTimeOffset now = DateTimeOffset.UtcNow;
        bool called = false;
        await foreach (GenerationUpdate update in conversation.AnswerAsync(generation, null, cancellation).ConfigureAwait(false))
        {
            List<AIContent> contents = [];
            if (update.Content.Length > 0)
            {
                contents.Add(new TextContent(update.Content));
            }
            foreach (ToolCall call in update.ToolCalls)
            {
                contents.Add(ToolContents.FromModel(call));
                called = true;
            }
            if (contents.Count > 0 || update.Logprob is not null)
            {
                yield return Update(contents, update);
            }
            if (update.FinishReason is { } finish)
            {
                ChatResponseUpdate last = Update([new UsageContent(Details(update.Usage!))], update);
                last.FinishReason = Reason(finish, called);
                yield return last;
            }
        }

        ChatResponseUpdate Update(List<AIContent> contents, GenerationUpdate raw) => new(ChatRole.Assistant, contents)
        {
            ResponseId = $"resp_{id}",
            MessageId = $"msg_{id}",
            ModelId = _metadata.DefaultModelId,
            CreatedAt = now,
            RawRepresentation = raw,
        };
    }

    private async Task<(Conversation Conversation, GenerationOptions Generation)> BeginAsync(Llama4Engine engine, ChatMessage[] messages, ChatOptions? options, CancellationToken cancellation)
    {
        ChatRequest request = ChatRequest.Read(this, engine.Model.Constraints, messages, options);
        IReadOnlyList<EngineMessage> said = await new RequestMessages(engine.Model, _pictures).ReadAsync(request.Messages, cancellation).ConfigureAwait(false);
        Conversation conversation = engine.CreateConversation(request.Conversation);
        foreach (EngineMessage message in said)
        {
            conversation.Add(message);
        }
        return (conversation, request.Generation);
    }

    private static ChatFinishReason Reason(EngineFinish finish, bool called) => finish switch
    {
        EngineFinish.Length => ChatFinishReason.Length,
        _ when called => ChatFinishReason.ToolCalls,
        _ => ChatFinishReason.Stop,
    };

    private static UsageDetails Details(Usage usage) => new()
    {
        InputTokenCount = usage.PromptTokens,
        OutputTokenCount = usage.CompletionTokens,
        TotalTokenCount = usage.TotalTokens,
        CachedInputTokenCount = usage.CachedTokens,
        AdditionalCounts = new AdditionalPropertiesDictionary<long> { [ImageTokenCount] = usage.ImageTokens },
    };

    private static ChatClientMetadata Metadata(string modelId) => new("llama4kernels", null, modelId);
}
