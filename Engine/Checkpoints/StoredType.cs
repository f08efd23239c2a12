using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Engine.Checkpoints;

/// <summary>How elements lie in a file: so many elements together take so many bytes.</summary>
/// <param name="Name">The format's own name: "BF16", "Q4_K".</param>
/// <param name="BlockElements">Elements of a block; 1 for plain types.</param>
/// <param name="BlockBytes">Bytes of a block.</param>
/// <param name="Element">The kernels' type, for plain types that weights may have; null for all others.</param>
internal sealed record StoredType(string Name, int BlockElements, int BlockBytes, ElementType? Element = null)
{
    /// <summary>Whether each element is a float32, bfloat16 or half by itself.</summary>
    public bool IsPlain => Element is ElementType.F32 or ElementType.BF16 or ElementType.F16;

    /// <inheritdoc/>
    public override string ToString() => Name;
}
