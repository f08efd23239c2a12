using Llama4Kernels.Engine.Model;
using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Engine.Diagnostics;

/// <summary>Keeps the intermediate results of a run.</summary>
internal sealed class ActivationCapture(IBackend backend, LogitsResult result) : IForwardObserver
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
