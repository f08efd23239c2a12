using Llama4Kernels.Engine.Constraints;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Sampling;
using Llama4Kernels.Engine.Scheduling;
using Llama4Kernels.Kernels.Sampling;

namespace Llama4Kernels.Engine.Generation;

/// <summary>
/// Chooses the tokens of one generation: first the constraint says what may come, then the sampler chain and the draw. Where a
/// backend can choose by a request's rule it is done where the logits are; everything else is done on the host.
/// </summary>
internal sealed class TokenChooser
{
    private readonly GenerationOptions _options;
    private readonly SamplerChain _chain;
    private readonly Sampler _sampler;
    private readonly ConstrainedChoice? _constraint;
    private readonly float[] _unchanged;
    private readonly DrawRule? _rule;
    private SeededRandom _random;

    public TokenChooser(Llama4Model model, GenerationOptions options)
    {
        _options = options;
        int vocabulary = model.Config.Text.VocabSize;
        if (options.LogitBias.Keys.FirstOrDefault(id => id >= vocabulary, -1) is >= 0 and int beyond)
        {
            throw new ArgumentException($"LogitBias names token {beyond}; the vocabulary has {vocabulary}.", nameof(options));
        }
        _chain = SamplerChain.Create(options);
        _sampler = new Sampler(_chain, vocabulary);
        _constraint = options.Constraint is null ? null : new ConstrainedChoice(options.Constraint, model.Tokenizer.VocabularySize, model.StopTokens.Ids, options.IgnoreEos);
        _random = SeededRandom.Create(options.Seed);
        _unchanged = options.Logprobs ? new float[vocabulary] : [];
        _rule = RuleOf(options);
    }

    /// <summary>
    /// How the next token may be chosen where the logits are; null if all logits are needed: for biases, penalties and log-probabilities, and
    /// for a draw that a constraint narrows. It depends on the request alone, so that others in a step change nothing.
    /// </summary>
    public DrawRule? Rule
    {
        get
        {
            // A draw counts when its token is taken: a step that fails, or is not asked for, uses none.
            SeededRandom next = _random;
            return _rule is not DrawRule rule || rule.IsBest ? _rule : rule with { Uniform = next.NextDouble() };
        }
    }

    /// <summary>Whether a constraint lets nothing follow.</summary>
    /// <exception cref="ConstraintDeadEndException">Nothing can follow, but the answer is not whole.</exception>
    public bool IsOver => _constraint?.IsOver == true;

    /// <summary>The next token that comes without asking the model; null if there is none.</summary>
    public int? Forced => _constraint is not null && _constraint.Forced is [int token, ..] ? token : null;

    /// <summary>Log-probability of a forced token: it is the only one allowed, so its probability is 1.</summary>
    public TokenLogprob? LogprobOfForced(int token) => _options.Logprobs
        ? new TokenLogprob(0, _options.TopLogprobs > 0 ? [(token, 0)] : [])
        : null;

    /// <summary>Chooses a token by a row of logits.</summary>
    /// <param name="result">Of the step that computed them.</param>
    /// <param name="part">Which of its sequences this is.</param>
    /// <param name="history">All tokens of the sequence, for penalties.</param>
    public (int Token, TokenLogprob? Logprob) Choose(StepResult result, int part, ReadOnlySpan<int> history)
    {
        // What is best among all tokens is best among those allowed, if it is one of them.
        if (result.Chosen(part) is not int token || _constraint?.Allows(token) == false)
        {
            token = Sample(result.Logits(part), history);
        }
        else if (!_chain.IsGreedy)
        {
            _random.NextDouble();
        }
        return (token, _options.Logprobs ? LogprobOf(token) : null);
    }

    /// <summary>Takes a token that does not end the answer.</summary>
    public void Accept(int token) => _constraint?.Accept(token);

    private static DrawRule? RuleOf(GenerationOptions options)
    {
        if (options.Logprobs || options.LogitBias.Count > 0 || options.RepetitionPenalty != 1 || options.PresencePenalty != 0 || options.FrequencyPenalty != 0)
        {
            return null;
        }
        return options.Temperature == 0 ? DrawRule.Best
            : options.Constraint is null ? new DrawRule(options.Temperature, options.TopK ?? 0, options.TopP, options.MinP ?? 0, 0)
            : null;
    }

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
