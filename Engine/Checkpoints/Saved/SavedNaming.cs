using Llama4Kernels.Engine.Checkpoints.Weights;
using Llama4Kernels.Engine.Config;

namespace Llama4Kernels.Engine.Checkpoints.Saved;

/// <summary>
/// The names in checkpoints that <c>llama4 quantize</c> writes: those of the published layout with experts by themselves, where
/// weights that are packed together are one tensor.
/// </summary>
internal sealed class SavedNaming : WeightNaming
{
    private readonly HuggingFaceNaming _published;
    private readonly Dictionary<(WeightRole, int, int), Weight> _weights;

    /// <param name="config">The model.</param>
    /// <param name="prefix">What the names of text tensors begin with.</param>
    public SavedNaming(ModelConfig config, string prefix)
    {
        Prefix = prefix;
        _published = new HuggingFaceNaming(prefix, config.Text.Experts, Enumerable.Range(0, config.Text.Layers).Select(layer => $"{prefix}model.layers.{layer}.feed_forward.experts.0.gate_proj.weight"));
        _weights = ModelWeights.Of(config, head: true).ToDictionary(weight => (weight.Role, weight.Layer, weight.Expert));
    }

    /// <summary>What the names of text tensors begin with.</summary>
    public string Prefix { get; }

    /// <inheritdoc/>
    public override WeightParts Locate(Weight weight)
    {
        if (!WeightStacks.IsPacked(weight))
        {
            return _published.Locate(weight);
        }
        Weight[] stack = [.. WeightStacks.Of(weight.Role).ToArray().Select(role => _weights[(role, weight.Layer, weight.Expert)])];
        int first = stack.TakeWhile(part => part.Role != weight.Role).Sum(part => part.Rows);
        return new WeightPart(NameOf(stack), [stack.Sum(part => part.Rows), weight.Columns], first, weight.Rows, 0, weight.Columns);
    }

    /// <inheritdoc/>
    public override bool Ignores(string name) => false;

    /// <inheritdoc/>
    public override bool IsVision(string name) => HuggingFaceNaming.IsVisionName(name);

    private string NameOf(Weight[] stack)
    {
        string name = _published.Locate(stack[0]).Parts[0].Tensor;
        return stack.Length switch
        {
            2 => name.Replace(".gate_proj.", ".gate_up_proj.", StringComparison.Ordinal),
            3 => name.Replace(".q_proj.", ".qkv_proj.", StringComparison.Ordinal),
            _ => name,
        };
    }
}
