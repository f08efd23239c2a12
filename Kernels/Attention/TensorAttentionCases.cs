using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;

namespace Llama4Kernels.Kernels.Attention;

/// <summary>What a kernel of attention on tensor cores is for. Its texts are whole: the choice is made for every layer of a step, and makes no garbage.</summary>
/// <param name="isDecode">One new row a sequence, or several.</param>
/// <param name="pageTokens">Positions of a page.</param>
/// <param name="mostHeads">Most query heads of a key/value head.</param>
/// <param name="firstSm">The first architecture.</param>
/// <param name="sharedBytes">Bytes of shared memory of a block.</param>
internal sealed class TensorAttentionCases(bool isDecode, int pageTokens, int mostHeads, int firstSm, int sharedBytes)
{
    private const KvFormat Format = KvFormat.BF16;

    private readonly string _otherCache = PagedAttentionCuda.WrongFormat(Format);
    private readonly string _otherRows = isDecode ? PagedAttentionCuda.NotDecode : PagedAttentionCuda.NotPrefill;
    private readonly string _otherHeads = $"is for heads of {CacheTilePtx.HeadDim} elements";
    private readonly string _manyHeads = $"is for up to {mostHeads} query heads a key/value head";
    private readonly string _otherPages = $"is for pages of {pageTokens} positions";
    private readonly string _early = $"is for sm_{firstSm} and later";
    private readonly string _small = $"is for devices with {sharedBytes} bytes of shared memory a block";

    /// <summary>Why the kernel does not take a case; null if it does.</summary>
    public string? WhyNot(AttentionCase what) =>
        what.Layout.Format != Format ? _otherCache
        : what.IsDecode != isDecode ? _otherRows
        : what.Activations == ActivationPrecision.Float32 ? "is for activations that may be rounded"
        : what.Shape.HeadDim != CacheTilePtx.HeadDim ? _otherHeads
        : what.Shape.Heads / what.Shape.KvHeads > mostHeads ? _manyHeads
        : what.Layout.BlockTokens != pageTokens ? _otherPages
        : what.Layout.BlockBytes > int.MaxValue ? "is for pages of less than 2 GiB"
        : what.Device.Sm < firstSm ? _early
        : what.Device.SharedBytes < sharedBytes ? _small
        : null;
}
