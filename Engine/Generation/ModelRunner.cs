using Llama4Kernels.Engine.Model;
using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Engine.Generation;

/// <summary>Runs given token ids through a model and returns logits and activations: for verification and analysis.</summary>
public static class ModelRunner
{
    /// <summary>Runs <paramref name="ids"/> as one sequence.</summary>
    /// <exception cref="ArgumentException">Ids, positions or pixels do not fit the model.</exception>
    /// <exception cref="ContextOverflowException">More tokens than the checkpoint allows.</exception>
    public static LogitsResult Run(Llama4Model model, ReadOnlySpan<int> ids, RunOptions options, CancellationToken cancellation = default)
    {
        int vocabulary = model.Config.Text.VocabSize;
        int[] input = ids.ToArray();
        int[] positions = options.Positions ?? [.. Enumerable.Range(0, input.Length)];
        Check(input, positions, options, model);
        int steps = options.PrefillChunk > 0 ? options.PrefillChunk : model.Backend.Steps.Rows;
        using var session = new InferenceSession(model, new SessionOptions { StepRows = Math.Max(1, Math.Min(steps, input.Length)), MaxLogitRows = Math.Min(64, Math.Max(1, Math.Min(steps, input.Length))) });
        using Sequence sequence = session.CreateSequence();
        var result = new LogitsResult { Logits = new float[(long)positions.Length * vocabulary], Positions = positions };
        var capture = new Capture(model.Backend, result);
        session.Observer = options.CaptureHidden ? capture : null;

        float[] features = options.PixelValues is null ? [] : Encode(model, options.PixelValues, options.Tiles, session.Observer, cancellation);
        float[] last = new float[vocabulary];
        int next = 0;
        int from = Math.Min(positions.Length > 0 ? positions[0] : int.MaxValue, input.Length - 1);
        session.Append(sequence, input, from, features, (index, logits) =>
        {
            if (next < positions.Length && positions[next] == index)
            {
                logits.CopyTo(result.Logits.AsSpan(next++ * vocabulary));
            }
            if (index == input.Length - 1)
            {
                logits.CopyTo(last);
            }
            result.MaxChunkedPages = Math.Max(result.MaxChunkedPages, ChunkedPages(model, sequence));
        }, cancellation);
        capture.Finish();
        session.Observer = null;
        result.Greedy = Continue(session, sequence, last, options.Greedy, cancellation);
        return result;
    }

    private static int[] Continue(InferenceSession session, Sequence sequence, float[] last, int count, CancellationToken cancellation)
    {
        int[] greedy = new int[count];
        ReadOnlySpan<float> logits = last;
        for (int i = 0; i < count; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            greedy[i] = System.Numerics.Tensors.TensorPrimitives.IndexOfMax(logits);
            if (i + 1 < count)
            {
                session.Decode([sequence], [greedy[i]]);
                logits = session.Logits();
            }
        }
        return greedy;
    }

    private static int ChunkedPages(Llama4Model model, Sequence sequence)
    {
        int most = 0;
        for (int layer = 0; layer < model.Config.Text.Layers; layer++)
        {
            if (model.Config.Text.LayerKinds[layer].IsChunked)
            {
                most = Math.Max(most, sequence.Cache.PagesOf(layer));
            }
        }
        return most;
    }

    private static float[] Encode(Llama4Model model, ushort[] pixels, int tiles, IForwardObserver? observer, CancellationToken cancellation)
    {
        VisionModel vision = model.Vision ?? throw new ArgumentException("Pixel values were given, but the model was loaded without its vision tower (or has none).");
        lock (model.Gate)
        {
            return vision.Encode(pixels, tiles, observer, cancellation);
        }
    }

    private static void Check(int[] ids, int[] positions, RunOptions options, Llama4Model model)
    {
        if (ids.Length == 0)
        {
            throw new ArgumentException("There are no input ids.");
        }
        if (ids.Length + options.Greedy > model.Config.Text.MaxPositions)
        {
            throw new ContextOverflowException(ids.Length + options.Greedy, model.Config.Text.MaxPositions);
        }
        for (int i = 0; i < positions.Length; i++)
        {
            if ((uint)positions[i] >= (uint)ids.Length || (i > 0 && positions[i] <= positions[i - 1]))
            {
                throw new ArgumentException($"Positions must ascend inside 0 … {ids.Length - 1}; entry {i} is {positions[i]}.");
            }
        }
    }

    private sealed class Capture(IBackend backend, LogitsResult result) : IForwardObserver
    {
        private readonly Dictionary<int, List<float>> _hidden = [];
        private readonly Dictionary<int, List<float>> _attention = [];
        private readonly Dictionary<int, (List<int> Experts, List<float> Scores)> _routers = [];
        private readonly Dictionary<string, List<float>> _vision = [];
        private readonly List<float> _final = [];

        public void Hidden(int layers, Tensor hidden) => Append(_hidden, layers, hidden);

        public void Attention(int layer, Tensor output) => Append(_attention, layer, output);

        public void Final(Tensor hidden) => _final.AddRange(Read(hidden));

        public void Vision(string stage, Tensor values) => Append(_vision, stage, values);

        public void Router(int layer, Routing routing)
        {
            if (!_routers.TryGetValue(layer, out (List<int> Experts, List<float> Scores) lists))
            {
                _routers[layer] = lists = ([], []);
            }
            lists.Experts.AddRange(routing.Experts);
            lists.Scores.AddRange(routing.Scores);
        }

        public void Finish()
        {
            result.HiddenFinal = [.. _final];
            foreach ((int layer, List<float> values) in _hidden)
            {
                result.HiddenAfterLayer[layer] = [.. values];
            }
            foreach ((int layer, List<float> values) in _attention)
            {
                result.AttentionOutputs[layer] = [.. values];
            }
            foreach ((int layer, (List<int> experts, List<float> scores)) in _routers)
            {
                result.Routers[layer] = ([.. experts], [.. scores]);
            }
            foreach ((string stage, List<float> values) in _vision)
            {
                result.Vision[stage] = [.. values];
            }
        }

        private void Append<TKey>(Dictionary<TKey, List<float>> into, TKey key, Tensor values)
            where TKey : notnull
        {
            if (!into.TryGetValue(key, out List<float>? list))
            {
                into[key] = list = [];
            }
            list.AddRange(Read(values));
        }

        private float[] Read(Tensor values)
        {
            float[] host = new float[values.Elements];
            backend.Download(values, host);
            return host;
        }
    }
}
