namespace Llama4Kernels.Engine.Checkpoints;

/// <summary>A tensor that a model of some configuration must have.</summary>
/// <param name="Name">Full name, with prefix.</param>
/// <param name="Shape">Extent of each dimension.</param>
internal sealed record ExpectedTensor(string Name, IReadOnlyList<long> Shape);
