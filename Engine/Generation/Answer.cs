using System.Runtime.InteropServices;
using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Scheduling;
using Llama4Kernels.Engine.Tokenization;
using Llama4Kernels.Kernels.Sampling;

namespace Llama4Kernels.Engine.Generation;

/// <summary>
/// One generation between its steps: which tokens came, the text they make, and whether it ends. It knows nothing of how or
/// beside what they are computed.
/// </summary>
internal sealed class Answer
{
    private readonly Llama4Model _model;
    private readonly GenerationOptions _options;
    private readonly Prompt _prompt;
    private readonly TokenChooser _chooser;
    private readonly StreamDecoder _decoder;
    private readonly StopSequences _stops;
    private readonly List<int> _tokens;
    private readonly int _maxTokens;
    private int _taken;

    /// <summary>An answer to a prompt that leaves room in a context.</summary>
    public Answer(Llama4Model model, Prompt prompt, GenerationOptions options, int maxContext)
    {
        _model = model;
        _options = options;
        _prompt = prompt;
        _chooser = new TokenChooser(model, options);
        _decoder = new StreamDecoder(model.Tokenizer);
        _stops = new StopSequences(options.StopStrings);
        _tokens = [.. prompt.Ids];
        int room = maxContext - prompt.Ids.Length;
        _maxTokens = Math.Min(options.MaxTokens ?? room, room);
        _taken = _tokens.Count;
    }

    /// <summary>Tokens of the prompt that were cached already; null before anybody has looked.</summary>
    public int? CachedTokens { get; set; }

    /// <summary>How its next token may be chosen where the logits are; null if it needs them all.</summary>
    public DrawRule? Rule => _chooser.Rule;

    /// <summary>The most tokens that prompt and answer may have together.</summary>
    public int MostTokens => _prompt.Ids.Length + _maxTokens;

    /// <summary>Tokens that came.</summary>
    public int Generated => _tokens.Count - _prompt.Ids.Length;

    /// <summary>The tokens since the last call: the one chosen last and those forced since.</summary>
    public ReadOnlySpan<int> TakeNew()
    {
        ReadOnlySpan<int> tokens = CollectionsMarshal.AsSpan(_tokens)[_taken..];
        _taken = _tokens.Count;
        return tokens;
    }

    /// <summary>The next token that comes without asking the model, or the end of an answer that never had a choice; null if there is none.</summary>
    public GenerationUpdate? TakeForced()
    {
        if (_chooser.Forced is int token)
        {
            return Take(token, _chooser.LogprobOfForced(token));
        }
        return Generated == 0 && _chooser.IsOver ? Update(string.Empty, null, null, FinishReason.Complete) : null;
    }

    /// <summary>Chooses a token by what a step computed for its last token.</summary>
    public GenerationUpdate Choose(StepResult result, int part)
    {
        (int token, TokenLogprob? logprob) = _chooser.Choose(result, part, CollectionsMarshal.AsSpan(_tokens));
        return Take(token, logprob);
    }

    private GenerationUpdate Take(int token, TokenLogprob? logprob)
    {
        _tokens.Add(token);
        if (!_options.IgnoreEos && _model.StopTokens.ReasonOf(token) is FinishReason reason)
        {
            return End(string.Empty, token, logprob, reason);
        }
        _chooser.Accept(token);
        (string text, bool stopped) = _stops.Feed(_decoder.Append(token));
        return stopped ? Update(text, token, logprob, FinishReason.Stop)
            : _chooser.IsOver ? End(text, token, logprob, FinishReason.Complete)
            : Generated >= _maxTokens ? End(text, token, logprob, FinishReason.Length)
            : Update(text, token, logprob, null);
    }

    /// <summary>Ends the text; a stop string in what was held back counts before any other reason.</summary>
    private GenerationUpdate End(string text, int token, TokenLogprob? logprob, FinishReason reason)
    {
        (string rest, bool stopped) = Rest();
        return Update(text + rest, token, logprob, stopped ? FinishReason.Stop : reason);
    }

    private GenerationUpdate Update(string text, int? token, TokenLogprob? logprob, FinishReason? finish) =>
        new(text, token, logprob?.Logprob, finish, finish is null ? null : new Usage(_prompt.Ids.Length, Generated, _prompt.ImageTokens, CachedTokens ?? 0)) { TopLogprobs = logprob?.Top ?? [] };

    /// <summary>What an incomplete character or a possible stop string held back, and whether a stop string ended it.</summary>
    private (string Text, bool Stopped) Rest()
    {
        (string rest, bool stopped) = _stops.Feed(_decoder.Flush());
        return (stopped ? rest : rest + _stops.Flush(), stopped);
    }
}
