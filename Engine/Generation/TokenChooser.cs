using Llama4Kernels.Engine.Constraints;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Sampling;
using Llama4Kernels.Engine.Scheduling;

namespace Llama4Kernels.Engine.Generation;

/// <summary>
/// Chooses the tokens of one generation: first the constraint says what may come, then the sampler chain and the draw. The
/// largest of plain greedy choices is found where the logits are; everything else is done on the host.
/// </summary>
internal sealed class TokenChooser
{
    private readonly GenerationOptions _options;
    private readonly SamplerChain _chain;
    private readonly Sampler _sampler;
    private readonly ConstrainedChoice? _constraint;
    private readonly float[] _unchanged;
    private SeededRandom _random;

    public TokenChooser(Llama4Model model, GenerationOptions options)
    {
        _options = options;
        int vocabulary = model.Config.Text.VocabSize;
        _chain = SamplerChain.Create(options);
        _sampler = new Sampler(_chain, vocabulary);
        _constraint = options.Constraint is null ? null : new ConstrainedChoice(options.Constraint, model.Tokenizer.VocabularySize, model.StopTokens.Ids, options.IgnoreEos);
        _random = SeededRandom.Create(options.Seed);
        _unchanged = options.Logprobs ? new float[vocabulary] : [];
    }

    /// <summary>The best token is all that it needs to know: penalties and log-probabilities need all logits.</summary>
    public bool NeedsOnlyBest => _chain.IsGreedy && _chain.Steps.Count == 0 && !_options.Logprobs;

    /// <summary>Whether a constraint lets nothing follow.</summary>
    /// <exception cref="ConstraintDeadEndException">Nothing can follow, but the answer is not whole.</exception>
    public bool IsOver => _constraint?.IsOver == true;

    /// <summary>The next token that comes without asking the model; null if there is none.</summary>
    public int? Forced => _constraint is not null && _constraint.Forced is [int token, ..] ? token : null;

    /// <summary>Log-probability of a forced token: it is the only one allowed, so its probability is 1.</summary>
    public TokenLogprob? LogprobOfForced(int token) => _options.Logprobs
        ? new TokenLogprob(token, 0, _options.TopLogprobs > 0 ? [new TokenLogprobCandidate(token, 0)] : [])
        : null;

    /// <summary>Chooses a token by a row of logits.</summary>
    /// <param name="result">Of the step that computed them.</param>
    /// <param name="part">Which of its sequences this is.</param>
    /// <param name="history">All tokens of the sequence, for penalties.</param>
    public (int Token, TokenLogprob? Logprob) Choose(StepResult result, int part, ReadOnlySpan<int> history)
    {
        // What is best among all tokens is best among those allowed, if it is one of them.
        int token = NeedsOnlyBest && result.Best(part) is int best && _constraint?.Allows(best) != false
            ? best
            : Sample(result.Logits(part), history);
        return (token, _options.Logprobs ? LogprobOf(token) : null);
    }

    /// <summary>Takes a token that does not end the answer.</summary>
    public void Accept(int token) => _constraint?.Accept(token);

    private int Sample(Span<float> logits, ReadOnlySpan<int> history)
    {
        if (_constraint is not null)
        {
            // Checked before the mask hides a broken logit.
            SamplingMath.CheckedMax(logits);
            _constraint.Apply(logits);
        }
        logits[.._unchanged.Length].CopyTo(_unchanged);
        return _sampler.Sample(logits, history, ref _random);
    }

    private TokenLogprob LogprobOf(int token)
    {
        TokenLogprob logprob = Logprobs.Compute(_unchanged, token, _options.TopLogprobs);
        return _constraint is null ? logprob : logprob with { Top = [.. logprob.Top.Where(candidate => candidate.Logprob > double.NegativeInfinity)] };
    }
}
