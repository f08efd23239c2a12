namespace Llama4Kernels.PtxEmulator.Cases;

/// <summary>How an output is compared.</summary>
/// <param name="Tensor">The output.</param>
/// <param name="Exact">Equal bits; otherwise <c>|got - expected| &lt;= Relative * |expected| + Absolute</c>.</param>
/// <param name="AnyNaN">With <paramref name="Exact"/>: every NaN stands for an expected NaN.</param>
/// <param name="Relative">Error as a share of the expected value.</param>
/// <param name="Absolute">Error that is always allowed.</param>
internal sealed record CaseRule(string Tensor, bool Exact, bool AnyNaN = false, double Relative = 0, double Absolute = 0);

/// <summary>A kernel's argument: a buffer's address, or bytes.</summary>
/// <param name="Tensor">The buffer, or null.</param>
/// <param name="Bytes">The value if it is no buffer.</param>
internal sealed record CaseArgument(string? Tensor, ReadOnlyMemory<byte> Bytes)
{
    public int Size => Tensor is null ? Bytes.Length : sizeof(ulong);
}
