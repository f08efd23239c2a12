namespace Llama4Kernels.Engine.Checkpoints.Weights;

/// <summary>All ways of storing a weight that the engine reads.</summary>
internal static class StoredForms
{
    private static readonly IStoredForm[] s_all = [new PlainForm()];

    /// <summary>The form that the tensors of a name have; null if there is none that the engine reads.</summary>
    public static IStoredForm? Find(ITensorSource source, string tensor) => Array.Find(s_all, form => form.Holds(source, tensor));
}
