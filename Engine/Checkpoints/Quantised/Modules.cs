using Llama4Kernels.Engine.Checkpoints.Weights;
using Llama4Kernels.Engine.Config;

namespace Llama4Kernels.Engine.Checkpoints.Quantised;

/// <summary>A weight's module: the part of its name that companions share.</summary>
internal static class Modules
{
    private const string Ending = ".weight";

    /// <summary>The module of a weight; fused experts are named without an ending.</summary>
    public static string Of(string tensor) => tensor.EndsWith(Ending, StringComparison.Ordinal) ? tensor[..^Ending.Length] : tensor;

    /// <summary>Faults a quantised weight that is no factor of a product of the text model.</summary>
    public static void CheckLinear(Weight weight, string tensor, TensorReport report)
    {
        if (!weight.IsLinear && weight.Role != WeightRole.Router)
        {
            report.Fault(tensor, "is quantised; only linear layers of the text model may be.");
        }
    }

    /// <summary>Faults codes that are others than the configuration says.</summary>
    /// <param name="group">What the configuration says of the module, or null.</param>
    /// <param name="tensor">The tensor, for the error.</param>
    /// <param name="what">What the tensors are, in words.</param>
    /// <param name="agrees">Whether that is the same.</param>
    /// <param name="report">Takes the fault.</param>
    public static void CheckGroup(QuantizationGroup? group, string tensor, string what, Func<QuantizationGroup, bool> agrees, TensorReport report)
    {
        if (group is not null && !agrees(group))
        {
            report.Fault(tensor, $"has {what}, but quantization_config's {group.Name} says {group.Text}.");
        }
    }
}
