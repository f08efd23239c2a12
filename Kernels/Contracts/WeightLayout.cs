namespace Llama4Kernels.Kernels.Contracts;

/// <summary>How codes and scales of a matrix lie in memory; products are written for one. It is chosen when the matrix is packed.</summary>
/// <param name="Name">Its name, which the matrix says too (<see cref="IMatrix.Layout"/>).</param>
internal abstract record WeightLayout(string Name);
