using Llama4Kernels.Engine.Checkpoints.Quantised;
using Llama4Kernels.Engine.Checkpoints.Saved;
using Llama4Kernels.Engine.Config;

namespace Llama4Kernels.Engine.Checkpoints.Weights;

/// <summary>All ways of storing a weight that the engine reads. The tensors decide; the configuration says what they cannot.</summary>
internal sealed class StoredForms(QuantizationConfig? config)
{
    private readonly IStoredForm[] _all =
    [
        new PlainForm(), new SavedForm(), new Fp8Form(config), new GgufForm(), new PackedIntegerForm(config), new ByteIntegerForm(config), new MlxForm(config),
    ];

    /// <summary>The form that the tensors of a name have; null if there is none that the engine reads.</summary>
    public IStoredForm? Find(ITensorSource source, string tensor) => Array.Find(_all, form => form.Holds(source, tensor));
}
