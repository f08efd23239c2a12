using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Llama4Kernels.Engine.Constraints;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Sampling;
using Llama4Kernels.Engine.Tokenization;

namespace Llama4Kernels.Engine.Generation;

/// <summary>
/// Generates text token by token. A generator keeps its last sequence, so that the next prompt of the same conversation
/// computes only what is new. One generation at a time.
/// </summary>
public sealed class TextGenerator : IDisposable
{
    private readonly Llama4Model _model;
    private readonly InferenceSession _session;
    private readonly Sequence _sequence;
    private int _running;

    /// <summary>A generator with its own session.</summary>
    public TextGenerator(Llama4Model model, SessionOptions? options = null)
    {
        _model = model;
        _session = new InferenceSession(model, options);
        _sequence = _session.CreateSequence();
    }

    /// <summary>What it runs on, for observers.</summary>
    internal InferenceSession Session => _session;

    /// <summary>
    /// Streams a generation. The last update carries the finish reason and the usage. Cancelling stops before the next
    /// prefill step or token and throws; what was cached stays valid for the next prompt.
    /// </summary>
    /// <param name="prompt">Ids and pictures.</param>
    /// <param name="options">Sampling, limits and stop strings.</param>
    /// <param name="progress">Told how many tokens of the prompt, and of what a constraint forces after it, are prefilled.</param>
    /// <param name="cancellation">Stops the generation.</param>
    /// <exception cref="ContextOverflowException">The prompt does not fit the context.</exception>
    /// <exception cref="InvalidOperationException">Another generation of this generator is running.</exception>
    /// <exception cref="ConstraintDeadEndException">The constraint allows neither a token nor the end.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public async IAsyncEnumerable<GenerationUpdate> GenerateAsync(
        Prompt prompt, GenerationOptions options, IProgress<int>? progress = null, [EnumeratorCancellation] CancellationToken cancellation = default)
    {
        if (Interlocked.Exchange(ref _running, 1) != 0)
        {
            throw new InvalidOperationException("This generator is already generating; use one generator per concurrent request.");
        }
        try
        {
            _session.Check(prompt);
            var run = new Run(this, prompt, options);
            while (true)
            {
                while (run.TakeForced() is GenerationUpdate forced)
                {
                    cancellation.ThrowIfCancellationRequested();
                    yield return forced;
                    if (forced.FinishReason is not null)
                    {
                        yield break;
                    }
                }
                await Task.Run(() => run.Compute(progress, cancellation), cancellation).ConfigureAwait(false);
                cancellation.ThrowIfCancellationRequested();
                GenerationUpdate update = run.Choose();
                yield return update;
                if (update.FinishReason is not null)
                {
                    yield break;
                }
            }
        }
        finally
        {
            Volatile.Write(ref _running, 0);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _sequence.Dispose();
        _session.Dispose();
    }

    /// <summary>State of one generation between its tokens.</summary>
    private sealed class Run
    {
        private readonly TextGenerator _generator;
        private readonly GenerationOptions _options;
        private readonly Prompt _prompt;
        private readonly Sampler _sampler;
        private readonly StreamDecoder _decoder;
        private readonly StopSequences _stops;
        private readonly ConstrainedChoice? _constraint;
        private readonly List<int> _history;
        private readonly int _imageTokens, _maxTokens;
        private readonly float[] _unchanged;
        private SeededRandom _random;
        private bool _isPrefilled;
        private int _cachedTokens, _computed;

        public Run(TextGenerator generator, Prompt prompt, GenerationOptions options)
        {
            _generator = generator;
            _options = options;
            _prompt = prompt;
            int vocabulary = generator._model.Config.Text.VocabSize;
            SamplerChain chain = SamplerChain.Create(options);
            // Penalties and log-probabilities need all logits.
            generator._session.BestOnly = chain.IsGreedy && chain.Steps.Count == 0 && !options.Logprobs;
            _sampler = new Sampler(chain, vocabulary);
            _decoder = new StreamDecoder(generator._model.Tokenizer);
            _stops = new StopSequences(options.StopStrings);
            _constraint = options.Constraint is null ? null : new ConstrainedChoice(options.Constraint, generator._model.Tokenizer.VocabularySize, generator._model.EosTokens, options.IgnoreEos);
            _history = [.. prompt.Ids];
            _random = SeededRandom.Create(options.Seed);
            _computed = prompt.Ids.Length;
            _imageTokens = prompt.Images.Count == 0 ? 0 : prompt.Ids.Count(id => id == generator._model.Config.ImageToken);
            int room = generator._session.MaxContext - prompt.Ids.Length;
            _maxTokens = Math.Min(options.MaxTokens ?? room, room);
            _unchanged = options.Logprobs ? new float[vocabulary] : [];
        }

        private int Generated => _history.Count - _prompt.Ids.Length;

        /// <summary>The tokens that are not in the cache yet: the one chosen last and those forced since.</summary>
        private Span<int> Pending => CollectionsMarshal.AsSpan(_history)[_computed..];

        /// <summary>The next token that comes without asking the model, or the end of an answer that never had a choice; null if there is none.</summary>
        public GenerationUpdate? TakeForced()
        {
            if (_constraint is null)
            {
                return null;
            }
            if (_constraint.Forced is [int token, ..])
            {
                // It is the only one allowed, so its probability is 1.
                return Take(token, _options.Logprobs ? new TokenLogprob(token, 0, _options.TopLogprobs > 0 ? [new TokenLogprobCandidate(token, 0)] : []) : null);
            }
            return Generated == 0 && _constraint.IsOver ? Update(string.Empty, null, null, FinishReason.Complete) : null;
        }

        /// <summary>Brings the cache up to the last token and computes the logits after it, in one piece however many there are.</summary>
        public void Compute(IProgress<int>? progress, CancellationToken cancellation)
        {
            (InferenceSession session, Sequence sequence) = (_generator._session, _generator._sequence);
            if (!_isPrefilled)
            {
                // Forced tokens that open the answer go along.
                int reused = session.Prefill(sequence, Pending.IsEmpty ? _prompt : _prompt with { Ids = [.. _history] }, progress, cancellation);
                _cachedTokens = Math.Min(reused, _prompt.Ids.Length);
                _isPrefilled = true;
            }
            else if (Pending is [int token])
            {
                session.Decode([sequence], [token]);
            }
            else
            {
                session.Append(sequence, Pending.ToArray(), Pending.Length - 1, [], null, cancellation);
            }
            _computed = _history.Count;
        }

        /// <summary>Chooses a token by the logits.</summary>
        public GenerationUpdate Choose()
        {
            // What is best among all tokens is best among those allowed, if it is one of them.
            int token = _generator._session.Best() is int best && _constraint?.Allows(best) != false ? best : Sample();
            return Take(token, _options.Logprobs ? LogprobOf(token) : null);
        }

        private GenerationUpdate Take(int token, TokenLogprob? logprob)
        {
            _history.Add(token);
            if (!_options.IgnoreEos && _generator._model.EosTokens.Contains(token))
            {
                return End(string.Empty, token, logprob, ReasonOf(token));
            }
            _constraint?.Accept(token);
            (string text, bool stopped) = _stops.Feed(_decoder.Append(token));
            return stopped ? Update(text, token, logprob, FinishReason.Stop)
                : _constraint?.IsOver == true ? End(text, token, logprob, FinishReason.Complete)
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
            new(text, token, logprob, finish, finish is null ? null : new Usage(_prompt.Ids.Length, Generated, _imageTokens, _cachedTokens));

        private int Sample()
        {
            Span<float> logits = _generator._session.Logits();
            if (_constraint is not null)
            {
                // Checked before the mask hides a broken logit.
                SamplingMath.CheckedMax(logits);
                _constraint.Apply(logits);
            }
            logits[.._unchanged.Length].CopyTo(_unchanged);
            return _sampler.Sample(logits, CollectionsMarshal.AsSpan(_history), ref _random);
        }

        private TokenLogprob LogprobOf(int token)
        {
            TokenLogprob logprob = Logprobs.Compute(_unchanged, token, _options.TopLogprobs);
            return _constraint is null ? logprob : logprob with { Top = [.. logprob.Top.Where(candidate => candidate.Logprob > double.NegativeInfinity)] };
        }

        /// <summary>What an incomplete character or a possible stop string held back, and whether a stop string ended it.</summary>
        private (string Text, bool Stopped) Rest()
        {
            (string rest, bool stopped) = _stops.Feed(_decoder.Flush());
            return (stopped ? rest : rest + _stops.Flush(), stopped);
        }

        private FinishReason ReasonOf(int token)
        {
            Llama4Tokenizer tokenizer = _generator._model.Tokenizer;
            return tokenizer.TryGetSpecial("<|eom|>", out int eom) && token == eom ? FinishReason.EndOfMessage
                : tokenizer.TryGetSpecial("<|end_of_text|>", out int end) && token == end ? FinishReason.EndOfText
                : FinishReason.EndOfTurn;
        }
    }
}
