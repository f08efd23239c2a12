namespace Llama4Kernels.Kernels.Contracts;

/// <summary>A product y [Rows, Outputs] = x [Rows, Inner] · Wᵀ, as implementations are chosen for it.</summary>
/// <param name="Rows">Rows of x: tokens, or for experts slots in the order of experts.</param>
/// <param name="Outputs">Rows of W, or of each expert's.</param>
/// <param name="Inner">Columns of W.</param>
/// <param name="Weights">Format of W.</param>
/// <param name="Activations">What a product may make of x.</param>
/// <param name="Experts">Matrices that the rows take theirs from; 0 for one that all take.</param>
public readonly record struct GemmDesc(int Rows, int Outputs, int Inner, WeightFormat Weights, ActivationPrecision Activations, int Experts = 0);
