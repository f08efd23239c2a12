using Llama4Kernels.Engine.Config;
using Llama4Kernels.Engine.KvCache;
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
    /// Runs one step: every row's keys and values are written to the cache, and the wanted rows' logits in order to the first
    /// rows of <see cref="TextActivations.Logits"/>. Rows beyond the batch's mean nothing.
    /// </summary>
    /// <param name="batch">The tokens.</param>
    /// <param name="rows">Rows to compute, at least the batch's; more only if the batch decodes.</param>
    /// <param name="a">Where intermediate results go.</param>
    /// <param name="cache">Set for the batch's sequences and as many rows.</param>
    /// <param name="observer">Sees intermediate results.</param>
    public void Forward(Batch batch, int rows, TextActivations a, StepTables cache, IForwardObserver? observer)
    {
        a.Use(rows);
        Embed(batch, rows, a, observer);
        for (int layer = 0; layer < _weights.Layers.Length; layer++)
        {
            Attention(layer, a, cache, observer);
            FeedForward(layer, a, observer);
            observer?.Hidden(layer + 1, a.Hidden);
        }
        if (observer is not null)
        {
            _backend.RmsNorm(a.Hidden, _weights.FinalNorm, _config.RmsNormEps, a.Normed);
            observer.Final(a.Normed);
        }
        Logits(batch, rows, a);
    }

    private void Embed(Batch batch, int rows, TextActivations a, IForwardObserver? observer)
    {
        _backend.Embed(_weights.Embedding, batch.Ids(rows), a.Hidden);
        foreach (Batch.Features features in batch.Replaced)
        {
            _backend.Copy(features.Values, a.Hidden.Slice(features.Row, features.Values.Rows));
        }
        _backend.RopeAngles(_frequencies, batch.Positions(rows), a.Angles);
        _backend.QueryScales(batch.Positions(rows), _config.AttnScale, _config.FloorScale, a.QueryScales);
        observer?.Hidden(0, a.Hidden);
    }

    private void Attention(int layer, TextActivations a, StepTables tables, IForwardObserver? observer)
    {
        LayerWeights w = _weights.Layers[layer];
        LayerConfig rules = _config.LayerKinds[layer];
        KvStep cache = tables.Of(layer, out int index);

        if (!_backend.TryNormLinear(a.Hidden, w.AttentionNorm, _config.RmsNormEps, w.Qkv, w.QkvBias, a.Qkv))
        {
            _backend.RmsNorm(a.Hidden, w.AttentionNorm, _config.RmsNormEps, a.Normed);        // [T, D]
            _backend.Linear(a.Normed, w.Qkv, w.QkvBias, a.Qkv);                               // [T, (H+2K)·d]
        }
        _backend.RotateNormAndAppend(
            a.Qkv, _shape,
            rules.UsesRope ? a.Angles : null,
            rules.UsesRope && _config.UseQkNorm ? _config.RmsNormEps : null,
            !rules.UsesRope && _config.TemperatureTuning ? a.QueryScales : null,
            cache, index);
        // Who observes sees what lies between.
        if (observer is null && _backend.TryAttentionLinear(a.Qkv, _shape, cache, index, w.Output, w.OutputBias, a.Block, a.Hidden))
        {
            return;
        }
        _backend.Attention(a.Qkv, _shape, cache, index, a.Heads);                             // [T, H·d]
        _backend.Linear(a.Heads, w.Output, w.OutputBias, a.Block);                            // [T, D]
        observer?.Attention(layer, a.Block);
        _backend.Add(a.Block, a.Hidden);
    }

    private void FeedForward(int layer, TextActivations a, IForwardObserver? observer)
    {
        LayerWeights w = _weights.Layers[layer];
        // Who observes sees what lies between.
        if (observer is null && _backend.TryFeedForward(new FeedForwardBlock(
            a.Hidden, w.FeedForwardNorm, _config.RmsNormEps, w.FeedForward.GateUp, w.FeedForward.Down, w.Router, w.Experts, _config.ExpertsPerToken)))
        {
            return;
        }
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

    /// <summary>Final norm and LM head of the rows whose logits are wanted. The norm brings them together, so that the head is read once.</summary>
    private void Logits(Batch batch, int rows, TextActivations a)
    {
        int count = 0;
        if (batch.IsDecode)
        {
            if (_backend.TryNormLinear(a.Hidden, _weights.FinalNorm, _config.RmsNormEps, _weights.LmHead, null, a.Logits.Slice(0, rows)))
            {
                return;
            }
            count = rows;
            _backend.RmsNorm(a.Hidden, _weights.FinalNorm, _config.RmsNormEps, a.Normed);
        }
        else
        {
            foreach (Batch.RowRange wanted in batch.Wanted)
            {
                _backend.RmsNorm(a.Hidden.Slice(wanted.First, wanted.Count), _weights.FinalNorm, _config.RmsNormEps, a.Normed.Slice(count, wanted.Count));
                count += wanted.Count;
            }
        }
        if (count > 0)
        {
            _backend.Linear(a.Normed.Slice(0, count), _weights.LmHead, null, a.Logits.Slice(0, count));  // [·, V]
        }
    }
}
