using System.Runtime.CompilerServices;
using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Constraints;
using Llama4Kernels.Engine.Generation;
using Llama4Kernels.Engine.Model;

namespace Llama4Kernels.Engine.Serving;

/// <summary>
/// A conversation in turns: what is added, and the model's answers with their tool calls. Answers are kept as the ids that the
/// model gave, so that what is cached of one turn serves the next. One caller at a time; it owns nothing that has to be freed.
/// </summary>
public sealed class Conversation
{
    private readonly Llama4Engine _engine;
    private readonly ConversationOptions _options;
    private readonly PromptBuilder _prompt;
    private readonly List<ChatMessage> _messages = [];
    private ToolChoice? _toolChoice;
    private ITokenConstraint? _choice;
    private bool _isAsked;
    private int _running;

    /// <summary>Begins with the options' system message and tools.</summary>
    internal Conversation(Llama4Engine engine, ConversationOptions? options)
    {
        _engine = engine;
        _options = options ?? new ConversationOptions();
        _prompt = Model.Chat.Begin();
        ToolChoice = _options.ToolChoice;
        string? tools = _options.Tools.Count > 0 ? ToolPrompt.Render(_options.Tools) : null;
        if (_options.System is not null || tools is not null)
        {
            Add(ChatMessage.FromText(ChatRole.System, string.Join("\n\n", new[] { _options.System, tools }.OfType<string>())));
        }
    }

    /// <summary>All messages so far, answers included.</summary>
    public IReadOnlyList<ChatMessage> Messages => _messages;

    /// <summary>
    /// The last answer: its text, its calls and why it ended. Around calls there are no blanks; without declared tools nothing is a call.
    /// Null before the first and while one is under way.
    /// </summary>
    public ChatMessage? Answer { get; private set; }

    /// <summary>Tokens of the conversation so far.</summary>
    public int Tokens => _prompt.Length;

    /// <summary>What the next answers keep to, see <see cref="ConversationOptions.ToolChoice"/>.</summary>
    /// <exception cref="ArgumentException">There is no tool, or the one chosen is not among them.</exception>
    /// <exception cref="Llama4Exception"><see cref="Llama4Error.Constraint"/>: A tool's schema cannot be kept to.</exception>
    /// <exception cref="InvalidOperationException">An answer is under way.</exception>
    public ToolChoice? ToolChoice
    {
        get => _toolChoice;
        set
        {
            CheckIdle();
            _choice = value is null ? null : ToolCallConstraint.Compile(Model.Constraints, _options.Tools, value);
            _toolChoice = value;
        }
    }

    /// <summary>Adds a turn of the user, results of the last answer's tool calls, or both: results first, then pictures, then text.</summary>
    /// <param name="text">What the user says; null for nothing.</param>
    /// <param name="pictures">Pictures that it is about, as the model loads them (<see cref="Llama4Model.LoadPicture(string)"/>).</param>
    /// <param name="toolResults">What the calls of the last answer gave, in their order: as many as there were calls.</param>
    /// <exception cref="ArgumentException">There is nothing to add, there are more or fewer results than calls, or the model sees no pictures; nothing is added.</exception>
    /// <exception cref="InvalidOperationException">An answer is under way.</exception>
    public void Add(string? text = null, IReadOnlyList<ImageContent>? pictures = null, IReadOnlyList<string>? toolResults = null)
    {
        CheckIdle();
        if (text is null && pictures is not { Count: > 0 } && toolResults is not { Count: > 0 })
        {
            throw new ArgumentException("There is nothing to add: give a text, pictures or results of tools.");
        }
        if (pictures is { Count: > 0 } && !Model.HasVision)
        {
            throw new ArgumentException("The model was loaded without its vision tower (or has none) and cannot take pictures.", nameof(pictures));
        }
        if (toolResults is { Count: > 0 } && (_messages is not [.., { Role: ChatRole.Assistant }] || toolResults.Count != Answer?.ToolCalls.Count))
        {
            throw new ArgumentException($"{toolResults.Count} results of tools were given; the last message has {(_messages is [.., { Role: ChatRole.Assistant }] ? Answer?.ToolCalls.Count ?? 0 : 0)} calls.", nameof(toolResults));
        }
        List<ChatMessage> added = [.. (toolResults ?? []).Select(result => ChatMessage.FromText(ChatRole.Tool, result ?? throw new ArgumentException("A tool's result is null.", nameof(toolResults))))];
        List<ChatContent> content = [.. (pictures ?? []).Select(picture => picture ?? throw new ArgumentException("A picture is null.", nameof(pictures)))];
        if (text is not null)
        {
            content.Add(new TextContent(text));
        }
        if (content.Count > 0)
        {
            added.Add(new ChatMessage(ChatRole.User, content));
        }
        added.ForEach(Add);
    }

    /// <summary>Adds a whole message, as of a conversation that was held elsewhere.</summary>
    /// <exception cref="ArgumentException">The message cannot be written; nothing is added.</exception>
    /// <exception cref="InvalidOperationException">An answer is under way.</exception>
    public void Add(ChatMessage message)
    {
        CheckIdle();
        Model.Chat.AppendMessage(_prompt, message, ToolPromptFormat.PythonList);
        _messages.Add(message);
        _isAsked = message.Role is ChatRole.User or ChatRole.Tool;
    }

    /// <summary>
    /// Streams the model's answer and keeps it, also one that is cut: by an error, by cancelling, or by who stops reading. One of
    /// which nothing came is as if it had not been asked for.
    /// </summary>
    /// <param name="options">How to generate; null as the conversation's options say.</param>
    /// <param name="progress">Told the place in the queue, and then how much of the conversation is computed.</param>
    /// <param name="cancellation">Stops the answer.</param>
    /// <remarks>Beside what follows it throws what <see cref="Llama4Engine.GenerateAsync"/> does.</remarks>
    /// <exception cref="InvalidOperationException">Nothing was said since the last answer, or one is under way.</exception>
    /// <exception cref="ArgumentException">The options have a constraint, and there is a <see cref="ToolChoice"/>.</exception>
    public async IAsyncEnumerable<GenerationUpdate> AnswerAsync(
        GenerationOptions? options = null, IProgress<GenerationProgress>? progress = null, [EnumeratorCancellation] CancellationToken cancellation = default)
    {
        options ??= _options.Generation;
        if (_choice is not null)
        {
            options = options.Constraint is null
                ? options with { Constraint = _choice }
                : throw new ArgumentException("The options have a constraint and the conversation a choice of tools: an answer keeps to one of them.", nameof(options));
        }
        if (Interlocked.Exchange(ref _running, 1) != 0)
        {
            throw UnderWay();
        }
        (int, int) before = _prompt.State;
        List<int> ids = [];
        // Without declared tools nothing is a call.
        var open = new OpenAnswer(_options.Tools);
        FinishReason finish = FinishReason.Cancelled;
        try
        {
            if (!_isAsked)
            {
                throw new InvalidOperationException("There is nothing to answer: add what the user says or what the tools gave.");
            }
            Answer = null;
            Model.Chat.AppendHeader(_prompt, ChatRole.Assistant);
            var request = new GenerationRequest(_prompt.Build(), options) { Priority = _options.Priority, Salt = _options.Salt, Progress = progress };
            await foreach (GenerationUpdate update in _engine.GenerateAsync(request, cancellation).ConfigureAwait(false))
            {
                if (update.TokenId is int id)
                {
                    ids.Add(id);
                }
                finish = update.FinishReason ?? finish;
                GenerationUpdate told = open.Take(update);
                if (update.FinishReason is not null)
                {
                    Keep(ids, open.ToAnswer(finish));
                    ids = [];
                }
                yield return told;
            }
        }
        finally
        {
            if (Answer is null && ids.Count > 0)
            {
                Keep(ids, open.ToAnswer(finish));
            }
            else if (Answer is null)
            {
                _prompt.Restore(before);
            }
            Volatile.Write(ref _running, 0);
        }
    }

    /// <summary>Ends the open answer with the ids that the model gave; one that was cut gets a terminator.</summary>
    private void Keep(List<int> ids, ChatMessage answer)
    {
        Answer = answer;
        _prompt.Add([.. ids]);
        bool waits = answer.ToolCalls.Count > 0;
        if (ids.Count == 0 || Model.StopTokens.ReasonOf(ids[^1]) is null)
        {
            Model.Chat.AppendEnd(_prompt, waits);
        }
        _messages.Add(answer);
        _isAsked = false;
    }

    private Llama4Model Model => _engine.Model;

    private void CheckIdle()
    {
        if (Volatile.Read(ref _running) != 0)
        {
            throw UnderWay();
        }
    }

    private static InvalidOperationException UnderWay() => new("An answer of this conversation is under way; use a conversation for each of those who talk at once.");
}
