namespace Llama4Kernels.Kernels.Quantization;

/// <summary>Which of the tiles that multiply the same columns of a panel.</summary>
internal enum TileTurn
{
    /// <summary>There is no other.</summary>
    Only,

    /// <summary>Others follow.</summary>
    First,

    /// <summary>One that follows.</summary>
    Further,
}
