using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Sampling;

namespace Llama4Kernels.Kernels.Backends;

/// <summary>
/// The operations a Llama 4 forward pass names, on one device. Activations are float32 <see cref="Tensor"/>s [T, columns];
/// T is the number of tokens of the batch. Inputs and outputs must not overlap unless an operation says so. Calls run in
/// order; a backend is used by one forward pass at a time. Wrong shapes throw <see cref="ArgumentException"/> naming both.
/// </summary>
public interface IBackend : IDisposable
{
    /// <summary>Short name: "cpu", "cuda".</summary>
    string Name { get; }

    /// <summary>What it runs on and which implementations it chose, for people.</summary>
    string Description { get; }

    /// <summary>How many rows it likes in a forward step.</summary>
    StepSizes Steps { get; }

    /// <summary>What its products may make of the activations that they multiply; tensors are float32 in either mode.</summary>
    ActivationPrecision Activations { get; }

    /// <summary>Allocates zeroed memory.</summary>
    DeviceMemory Allocate(long bytes);

    /// <summary>Copies host data to <paramref name="destination"/> (same number of elements).</summary>
    void Upload(ReadOnlySpan<float> source, Tensor destination);

    /// <summary>Waits for all earlier operations and copies <paramref name="source"/> to the host.</summary>
    void Download(Tensor source, Span<float> destination);

    /// <summary>destination = x, elementwise, in the order of the other operations; x and destination have the same shape.</summary>
    void Copy(Tensor x, Tensor destination);

    /// <summary>
    /// Waits like <see cref="Download"/>, but gives only the column of each row's largest value, of equals the lowest; −1 for
    /// a row with NaN or +∞ or with −∞ only. False, and nothing done, for a backend that has no such operation.
    /// </summary>
    /// <param name="x">[T, columns]</param>
    /// <param name="ids">[T]</param>
    bool TryArgMax(Tensor x, Span<int> ids) => false;

    /// <summary>
    /// Waits like <see cref="Download"/>, but gives only a column of each row, chosen by its rule; −1 for a row with NaN or +∞ or with
    /// −∞ only. x stays as it is. The sampler of the host chooses the same by the same random number unless the row is within float32
    /// rounding of another choice. False, and nothing done, for a backend that has no such operation.
    /// </summary>
    /// <param name="x">[T, columns], at most 2¹⁹ columns</param>
    /// <param name="rules">[T]</param>
    /// <param name="ids">[T]</param>
    bool TryDraw(Tensor x, ReadOnlySpan<DrawRule> rules, Span<int> ids) => false;

    /// <summary>Packs matrices of equal width, stacked along the rows in the given order, into one.</summary>
    /// <param name="stacked">The matrices.</param>
    /// <param name="format">The format; null keeps what is stored: bfloat16 and FP8 stay if all are, all else becomes float32.</param>
    /// <exception cref="ArgumentException">No matrix, one without data, widths differ, or a width that the format cannot have.</exception>
    /// <exception cref="NotSupportedException">The backend has no product for the format.</exception>
    IMatrix Pack(ReadOnlySpan<MatrixSource> stacked, WeightFormat? format = null);

    /// <summary>
    /// Packs equal matrices that are used together, such as a layer's experts, so that a backend can lay them side by side.
    /// </summary>
    /// <param name="count">Number of matrices.</param>
    /// <param name="matrix">Asked for each matrix's sources and format, in order, just before it is packed.</param>
    /// <exception cref="ArgumentException">A backend that lays them side by side met two of different shape or format.</exception>
    IMatrix[] PackStack(int count, Func<int, (MatrixSource[] Sources, WeightFormat? Format)> matrix)
    {
        var packed = new IMatrix[count];
        int done = 0;
        try
        {
            for (; done < count; done++)
            {
                (MatrixSource[] sources, WeightFormat? format) = matrix(done);
                packed[done] = Pack(sources, format);
            }
            return packed;
        }
        catch
        {
            foreach (IMatrix item in packed.AsSpan(0, done))
            {
                item.Dispose();
            }
            throw;
        }
    }

    /// <summary>
    /// The operations up to <see cref="EndStep"/> are a forward step of <paramref name="rows"/> rows: a backend may collect
    /// them and run them together. Results are there after a <see cref="Download"/>, as always.
    /// </summary>
    /// <param name="rows">Rows of the batch; of a step that repeats, those of <see cref="StepSizes.Padded"/>.</param>
    /// <param name="repeats">Steps of this shape come again and again, as decoding does.</param>
    /// <param name="used">Rows that mean something, the first ones; null for all.</param>
    void BeginStep(int rows, bool repeats, int? used = null)
    {
    }

    /// <summary>Ends what <see cref="BeginStep"/> began.</summary>
    void EndStep()
    {
    }

    /// <summary>
    /// Gives a step up that <see cref="BeginStep"/> began and that failed: what was collected of it never runs. Nothing to do if
    /// there is none.
    /// </summary>
    void AbandonStep()
    {
    }

    /// <summary>Bytes that a cache may take beside what is allocated already: a share of what is free.</summary>
    long CacheBytes { get; }

    /// <summary>An embedding over a table; the source memory must stay valid until it is disposed.</summary>
    IEmbedding CreateEmbedding(MatrixSource table);

    /// <summary>How this backend lays out cache blocks of some positions on some layers.</summary>
    /// <exception cref="ArgumentException">A number is not positive.</exception>
    KvLayout LayoutOf(int blockTokens, int layers, AttentionShape shape, KvFormat format);

    /// <summary>The cache as steps see it, on the layers of one kind.</summary>
    /// <param name="layout">From <see cref="LayoutOf"/>.</param>
    /// <param name="memory">This backend's; it must outlive what is returned.</param>
    /// <param name="offset">Byte at which the first block begins, a multiple of <see cref="KvLayout.Alignment"/>.</param>
    /// <param name="count">Number of blocks.</param>
    /// <exception cref="ArgumentException">The memory is another backend's or does not hold so many blocks.</exception>
    KvStep CreateKvStep(KvLayout layout, DeviceMemory memory, long offset, int count);

    /// <summary>
    /// Copies a block with all its layers. Operations that come later see the copy; within a step it has no place.
    /// </summary>
    /// <param name="cache">The blocks.</param>
    /// <param name="source">The block that is read.</param>
    /// <param name="destination">The block that becomes like it; another one.</param>
    /// <exception cref="ArgumentException">The cache is another backend's, or has no such blocks, or they are one.</exception>
    void CopyBlock(KvStep cache, int source, int destination);

    /// <summary>Space for the routing of up to <paramref name="maxRows"/> rows.</summary>
    Routing CreateRouting(int maxRows, int experts, int topK);

    /// <summary>output[i] = table[ids[i]]; output is [ids.Length, D].</summary>
    void Embed(IEmbedding table, ReadOnlySpan<int> ids, Tensor output);

    /// <summary>y = x · rsqrt(mean(x²) + eps) · weight, per row. x and output may be the same tensor.</summary>
    void RmsNorm(Tensor x, Tensor weight, float eps, Tensor output);

    /// <summary>y = x·Wᵀ (+ bias). x [T, in], y [T, out], bias [1, out] or null.</summary>
    void Linear(Tensor x, IMatrix weight, Tensor? bias, Tensor y);

    /// <summary>
    /// y = norm(x)·Wᵀ (+ bias) as <see cref="RmsNorm"/> and <see cref="Linear"/> give it, in fewer launches; the norm's result is nowhere to be seen. False, and nothing
    /// done, where a backend has no such way for these rows and weights.
    /// </summary>
    bool TryNormLinear(Tensor x, Tensor norm, float eps, IMatrix weight, Tensor? bias, Tensor y) => false;

    /// <summary>
    /// hidden += attention·Wᵀ (+ bias) as <see cref="Attention"/>, <see cref="Linear"/> and <see cref="Add"/> give it, in fewer launches; block [T, D] may be
    /// overwritten. False, and nothing done, where a backend has no such way for these rows, weights and cache.
    /// </summary>
    bool TryAttentionLinear(Tensor qkv, AttentionShape shape, KvStep cache, int layer, IMatrix weight, Tensor? bias, Tensor block, Tensor hidden) => false;

    /// <summary>destination += x, elementwise.</summary>
    void Add(Tensor x, Tensor destination);

    /// <summary>output[:, j] = silu(gateUp[:, j]) · gateUp[:, F + j]; gateUp [T, 2F], output [T, F].</summary>
    void SwiGlu(Tensor gateUp, Tensor output);

    /// <summary>
    /// cos and sin of the float32 angles position · frequency: output [T, d] holds pairs (cos θ_j, sin θ_j), j = 0 … d/2−1.
    /// The product is rounded to float32, cos and sin are right to 1 ulp for every position.
    /// </summary>
    void RopeAngles(ReadOnlySpan<float> frequencies, ReadOnlySpan<int> positions, Tensor output);

    /// <summary>output[i, 0] = 1 + attnScale · ln(1 + ⌊(position + 1) / floorScale⌋); output [T, 1].</summary>
    void QueryScales(ReadOnlySpan<int> positions, float attnScale, float floorScale, Tensor output);

    /// <summary>
    /// Works on fused projections qkv [T, (H+2K)·d] in place: rotates adjacent pairs of q and k by <paramref name="angles"/>
    /// (if given), then RMS-normalises each head of q and k without weight (if <paramref name="qkNormEps"/> is given), then
    /// multiplies q rows by <paramref name="queryScales"/> (if given); writes k and v into the cache.
    /// <paramref name="layer"/> counts the layers that a block spans.
    /// </summary>
    void RotateNormAndAppend(Tensor qkv, AttentionShape shape, Tensor? angles, float? qkNormEps, Tensor? queryScales, KvStep cache, int layer);

    /// <summary>
    /// Causal attention of the q part of qkv over the cached keys and values, scale 1/√d; query head h uses key/value head
    /// h / (H/K). Output [T, H·d]. The rows' own keys and values are already in the cache.
    /// </summary>
    void Attention(Tensor qkv, AttentionShape shape, KvStep cache, int layer, Tensor output);

    /// <summary>Chooses the k largest of routerLogits [T, E] per row and their sigmoid scores.</summary>
    void RouteTopK(Tensor routerLogits, Routing routing);

    /// <summary>
    /// output += Σ_e down_e( swiglu( gateUp_e · (s_e · x) ) ) over the chosen experts of each row: the score multiplies the
    /// expert's input. x and output [T, D]. Experts without tokens cost nothing.
    /// </summary>
    void ExpertFeedForward(Tensor x, Routing routing, ReadOnlySpan<ExpertWeights> experts, Tensor output);

    /// <summary>
    /// A feed-forward block with the norm before it and the residual behind it, as <see cref="RmsNorm"/>, <see cref="Linear"/>, <see cref="SwiGlu"/>,
    /// <see cref="RouteTopK"/>, <see cref="ExpertFeedForward"/> and <see cref="Add"/> give it step by step, in fewer launches: what lies between is
    /// nowhere to be seen. False, and nothing done, where a backend has no such way for these rows and weights.
    /// </summary>
    bool TryFeedForward(in FeedForwardBlock block) => false;

    /// <summary>y = (x − mean) · rsqrt(var + eps) · weight + bias, per row. x and output may be the same tensor.</summary>
    void LayerNorm(Tensor x, Tensor weight, Tensor bias, float eps, Tensor output);

    /// <summary>x = x · Φ(x) with the exact error function, in place.</summary>
    void Gelu(Tensor x);

    /// <summary>
    /// Cuts square tiles into patches. pixels: bf16 [tiles, channels, size, size]; output [tiles · g², channels · patch²] with
    /// g = size / patch, patches row-major, a patch as channel, row, column.
    /// </summary>
    void UnfoldPatches(ReadOnlySpan<ushort> pixels, int tiles, int channels, int size, int patch, Tensor output);

    /// <summary>
    /// x [tiles · (n+1), D]: row i &lt; n of each tile becomes patches[tile·n + i] + positions[i], row n (the class token, last)
    /// becomes classToken + positions[n]. patches [tiles · n, D], classToken [1, D], positions [n+1, D].
    /// </summary>
    void AppendClassTokenAndPositions(Tensor patches, Tensor classToken, Tensor positions, int tiles, Tensor x);

    /// <summary>
    /// Full (bidirectional) attention within each tile on fused projections qkv [tiles · n, 3·H·d], after rotating adjacent
    /// pairs of q and k by angles [n, d] (pairs cos, sin). qkv is overwritten. Scale 1/√d. Output [tiles · n, H·d].
    /// </summary>
    void VisionAttention(Tensor qkv, int tiles, int heads, Tensor angles, Tensor output);

    /// <summary>
    /// Drops the class token and merges 2×2 patches: x [tiles · (g²+1), D] → output [tiles · (g/2)², 4D] with
    /// output[t][(2a+b)·D + c] = x[2R+a][2Q+b][c], t = (g/2)·R + Q.
    /// </summary>
    void PixelShuffle(Tensor x, int tiles, int grid, Tensor output);
}
