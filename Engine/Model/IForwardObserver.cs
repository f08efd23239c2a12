using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Engine.Model;

/// <summary>Sees intermediate results of a forward pass: for comparing with reference activations, not for speed.</summary>
internal interface IForwardObserver
{
    /// <summary>Hidden state [T, D] after <paramref name="layers"/> layers (0: the embeddings).</summary>
    void Hidden(int layers, Tensor hidden);

    /// <summary>Output of the attention block [T, D] of a layer, before the residual sum.</summary>
    void Attention(int layer, Tensor output);

    /// <summary>Routing of a mixture layer.</summary>
    void Router(int layer, Routing routing);

    /// <summary>Hidden state [T, D] after the final norm.</summary>
    void Final(Tensor hidden);

    /// <summary>A stage of the vision tower: "embedded", "features" or "projected".</summary>
    void Vision(string stage, Tensor values);
}
