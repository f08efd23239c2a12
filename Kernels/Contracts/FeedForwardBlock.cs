namespace Llama4Kernels.Kernels.Contracts;

/// <summary>
/// A feed-forward block: hidden += down(swiglu(gateUp(n))) + Σ_e down_e(swiglu(gateUp_e(s_e · n))) over the experts that router(n) chooses, n the RMS
/// norm of hidden and s_e the sigmoid of the expert's logit.
/// </summary>
/// <param name="Hidden">[T, D], read and added to.</param>
/// <param name="Norm">[1, D] weights of the norm.</param>
/// <param name="Eps">Added to the norm's mean square.</param>
/// <param name="GateUp">Gate and up of the dense block or the shared expert, stacked: [2F, D].</param>
/// <param name="Down">Its down projection: [D, F].</param>
/// <param name="Router">[E, D]; null for a dense block.</param>
/// <param name="Experts">The experts; none for a dense block.</param>
/// <param name="TopK">Experts of a row.</param>
public readonly record struct FeedForwardBlock(
    Tensor Hidden, Tensor Norm, float Eps, IMatrix GateUp, IMatrix Down, IMatrix? Router, ReadOnlyMemory<ExpertWeights> Experts, int TopK);
