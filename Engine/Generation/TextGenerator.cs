using System.Runtime.CompilerServices;
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

    /// <summary>
    /// Streams a generation. The last update carries the finish reason and the usage. Cancelling stops before the next
    /// prefill step or token and throws; what was cached stays valid for the next prompt.
    /// </summary>
    /// <param name="prompt">Ids and pictures.</param>
    /// <param name="options">Sampling, limits and stop strings.</param>
    /// <param name="progress">Told how many prompt tokens are prefilled.</param>
    /// <param name="cancellation">Stops the generation.</param>
    /// <exception cref="ContextOverflowException">The prompt does not fit the context.</exception>
    /// <exception cref="InvalidOperationException">Another generation of this generator is running.</exception>
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
            SamplerChain chain = SamplerChain.Create(options);
            // Penalties and log-probabilities need all logits.
            _session.BestOnly = chain.IsGreedy && chain.Steps.Count == 0 && !options.Logprobs;
            int reused = await Task.Run(() => _session.Prefill(_sequence, prompt, progress, cancellation), cancellation).ConfigureAwait(false);
            var run = new Run(this, prompt, options, chain, reused);
            while (true)
            {
                cancellation.ThrowIfCancellationRequested();
                GenerationUpdate update = run.Next();
                yield return update;
                if (update.FinishReason is not null)
                {
                    yield break;
                }
                int token = update.TokenId!.Value;
                await Task.Run(() => _session.Decode([_sequence], [token]), cancellation).ConfigureAwait(false);
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
        private readonly Sampler _sampler;
        private readonly StreamDecoder _decoder;
        private readonly StopSequences _stops;
        private readonly List<int> _history;
        private readonly int _promptTokens, _imageTokens, _cachedTokens, _maxTokens;
        private readonly float[] _unchanged;
        private SeededRandom _random;
        private int _generated;

        public Run(TextGenerator generator, Prompt prompt, GenerationOptions options, SamplerChain chain, int cachedTokens)
        {
            _generator = generator;
            _options = options;
            int vocabulary = generator._model.Config.Text.VocabSize;
            _sampler = new Sampler(chain, vocabulary);
            _decoder = new StreamDecoder(generator._model.Tokenizer);
            _stops = new StopSequences(options.StopStrings);
            _history = [.. prompt.Ids];
            _random = SeededRandom.Create(options.Seed);
            _promptTokens = prompt.Ids.Length;
            _imageTokens = prompt.Images.Count == 0 ? 0 : prompt.Ids.Count(id => id == generator._model.Config.ImageToken);
            _cachedTokens = cachedTokens;
            int room = generator._session.MaxContext - prompt.Ids.Length;
            _maxTokens = Math.Min(options.MaxTokens ?? room, room);
            _unchanged = options.Logprobs ? new float[vocabulary] : [];
        }

        public GenerationUpdate Next()
        {
            int token = _generator._session.Best() ?? Sample();
            TokenLogprob? logprob = _options.Logprobs ? Logprobs.Compute(_unchanged, token, _options.TopLogprobs) : null;
            _generated++;
            _history.Add(token);

            FinishReason? finish;
            string text;
            if (!_options.IgnoreEos && _generator._model.EosTokens.Contains(token))
            {
                (text, bool stopped) = Rest();
                finish = stopped ? FinishReason.Stop : ReasonOf(token);
            }
            else
            {
                (text, bool stopped) = _stops.Feed(_decoder.Append(token));
                finish = stopped ? FinishReason.Stop : _generated >= _maxTokens ? FinishReason.Length : null;
                if (finish == FinishReason.Length)
                {
                    (string rest, bool stoppedAtEnd) = Rest();
                    text += rest;
                    finish = stoppedAtEnd ? FinishReason.Stop : finish;
                }
            }
            return new GenerationUpdate(text, token, logprob, finish, finish is null ? null : new Usage(_promptTokens, _generated, _imageTokens, _cachedTokens));
        }

        private int Sample()
        {
            Span<float> logits = _generator._session.Logits();
            logits[.._unchanged.Length].CopyTo(_unchanged);
            return _sampler.Sample(logits, System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_history), ref _random);
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
