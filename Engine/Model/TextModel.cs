using Llama4Kernels.Engine.Config;
using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Engine.Model;

/// <summary>
/// The Llama 4 text model: token ids to logits. Shapes in comments: T rows of the batch, D hidden, H and K query and
/// key/value heads of d elements, F feed-forward width, E experts, V vocabulary.
/// </summary>
internal sealed class TextModel
{
    private readonly TextConfig _config;
    private readonly TextWeights _weights;
    private readonly IBackend _backend;
    private readonly AttentionShape _shape;
    private readonly float[] _frequencies;

    public TextModel(TextConfig config, TextWeights weights, IBackend backend, float[] frequencies)
    {
        _config = config;
        _weights = weights;
        _backend = backend;
        _shape = new AttentionShape(config.Heads, config.KvHeads, config.HeadDim);
        _frequencies = frequencies;
    }

    public TextConfig Config => _config;

    public TextWeights Weights => _weights;

    /// <summary>
    /// Runs one step: every row's keys and values are appended to its sequence's cache, and the wanted rows' logits are
    /// written in order to the first rows of <see cref="TextActivations.Logits"/>. Returns how many there are.
    /// </summary>
    public int Forward(Batch batch, TextActivations a, KvLayout layout, IForwardObserver? observer = null)
    {
        // Decoding comes again and again: in few shapes, with rows that mean nothing behind the others.
        bool repeats = observer is null && batch.IsDecode;
        int rows = repeats ? Math.Min(_backend.Steps.Padded(batch.Rows), a.MostDecodeRows) : batch.Rows;
        a.Use(rows);
        _backend.BeginStep(rows, repeats, batch.Rows);
        foreach (Batch.Part part in batch.Parts)
        {
            part.Cache.BeginStep(part.Rows);
        }
        Embed(batch, rows, a, observer);
        for (int layer = 0; layer < _weights.Layers.Length; layer++)
        {
            Attention(layer, batch, a, layout, observer);
            FeedForward(layer, a, observer);
            observer?.Hidden(layer + 1, a.Hidden);
        }
        foreach (Batch.Part part in batch.Parts)
        {
            part.Cache.EndStep(part.Rows);
        }
        if (observer is not null)
        {
            _backend.RmsNorm(a.Hidden, _weights.FinalNorm, _config.RmsNormEps, a.Normed);
            observer.Final(a.Normed);
        }
        int logits = repeats ? LmHead(0, rows, 0, a) : Logits(batch, a);
        _backend.EndStep();
        return repeats ? batch.Rows : logits;
    }

    private void Embed(Batch batch, int batchRows, TextActivations a, IForwardObserver? observer)
    {
        _backend.Embed(_weights.Embedding, batch.Ids(batchRows), a.Hidden);
        int d = _config.HiddenSize;
        foreach (Batch.Part part in batch.Parts)
        {
            ReadOnlySpan<int> rows = part.FeatureRows.Span;
            for (int first = 0; first < rows.Length;)
            {
                int end = first + 1;
                while (end < rows.Length && rows[end] == rows[end - 1] + 1)
                {
                    end++;
                }
                _backend.Upload(part.Features.Span[(first * d)..(end * d)], a.Hidden.Slice(part.FirstRow + rows[first], end - first));
                first = end;
            }
        }
        _backend.RopeAngles(_frequencies, batch.Positions(batchRows), a.Angles);
        _backend.QueryScales(batch.Positions(batchRows), _config.AttnScale, _config.FloorScale, a.QueryScales);
        observer?.Hidden(0, a.Hidden);
    }

    private void Attention(int layer, Batch batch, TextActivations a, KvLayout layout, IForwardObserver? observer)
    {
        LayerWeights w = _weights.Layers[layer];
        LayerConfig rules = _config.LayerKinds[layer];
        ReadOnlySpan<KvSegment> segments = a.Segments(batch, layer);

        _backend.RmsNorm(a.Hidden, w.AttentionNorm, _config.RmsNormEps, a.Normed);            // [T, D]
        _backend.Linear(a.Normed, w.Qkv, w.QkvBias, a.Qkv);                                   // [T, (H+2K)·d]
        _backend.RotateNormAndAppend(
            a.Qkv, _shape,
            rules.UsesRope ? a.Angles : null,
            rules.UsesRope && _config.UseQkNorm ? _config.RmsNormEps : null,
            !rules.UsesRope && _config.TemperatureTuning ? a.QueryScales : null,
            layout, segments);
        _backend.Attention(a.Qkv, _shape, layout, segments, a.Heads);                         // [T, H·d]
        _backend.Linear(a.Heads, w.Output, w.OutputBias, a.Block);                            // [T, D]
        observer?.Attention(layer, a.Block);
        _backend.Add(a.Block, a.Hidden);
    }

    private void FeedForward(int layer, TextActivations a, IForwardObserver? observer)
    {
        LayerWeights w = _weights.Layers[layer];
        Tensor gateUp = a.GateUp(w.FeedForward.Width);
        Tensor gated = a.Gated(w.FeedForward.Width);

        _backend.RmsNorm(a.Hidden, w.FeedForwardNorm, _config.RmsNormEps, a.Normed);          // [T, D]
        _backend.Linear(a.Normed, w.FeedForward.GateUp, null, gateUp);                        // [T, 2F]
        _backend.SwiGlu(gateUp, gated);                                                       // [T, F]
        _backend.Linear(gated, w.FeedForward.Down, null, a.Block);                            // [T, D]
        if (w.Router is not null)
        {
            _backend.Linear(a.Normed, w.Router, null, a.RouterLogits);                        // [T, E]
            _backend.RouteTopK(a.RouterLogits, a.Routing);
            observer?.Router(layer, a.Routing);
            _backend.ExpertFeedForward(a.Normed, a.Routing, w.Experts, a.Block);              // [T, D] +=
        }
        _backend.Add(a.Block, a.Hidden);
    }

    /// <summary>Final norm and LM head, only for rows whose logits are wanted; adjacent ranges go together.</summary>
    private int Logits(Batch batch, TextActivations a)
    {
        int done = 0;
        int first = 0, count = 0;
        foreach (Batch.Part part in batch.Parts)
        {
            int from = part.FirstRow + part.LogitsFrom;
            if (count > 0 && from != first + count && part.LogitRows > 0)
            {
                done = LmHead(first, count, done, a);
                count = 0;
            }
            if (part.LogitRows > 0)
            {
                first = count == 0 ? from : first;
                count += part.LogitRows;
            }
        }
        return count > 0 ? LmHead(first, count, done, a) : done;
    }

    private int LmHead(int first, int count, int done, TextActivations a)
    {
        Tensor rows = a.Normed.Slice(first, count);
        _backend.RmsNorm(a.Hidden.Slice(first, count), _weights.FinalNorm, _config.RmsNormEps, rows);
        _backend.Linear(rows, _weights.LmHead, null, a.Logits.Slice(done, count));            // [·, V]
        return done + count;
    }
}
