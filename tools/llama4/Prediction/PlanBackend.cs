using Llama4Kernels.Cli.Shared;
using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Sampling;

namespace Llama4Kernels.Cli.Prediction;

/// <summary>
/// A backend on a planning driver whose launches are recorded by operation. It launches all that it would in steps, in the same order, but one by
/// one, so that each launch finds what the host gave it. Nothing is computed but the choice of experts, for which it makes up the router's logits:
/// as many different experts as independent choices among all of them give in the mean.
/// </summary>
/// <param name="inner">The backend.</param>
/// <param name="recorder">Takes down what it launches.</param>
/// <param name="shape">Names products by their sizes.</param>
internal sealed class PlanBackend(IBackend inner, StepRecorder recorder, IReadOnlyList<ModelProduct> shape) : IBackend
{
    private const double Certain = 1e-6;

    private string _routed = "";
    private Tensor _routerLogits;
    private int _layer;

    public string Name => inner.Name;

    public string Description => inner.Description;

    public StepSizes Steps => inner.Steps;

    public ActivationPrecision Activations => inner.Activations;

    /// <summary>Different experts that some independent choices hit in the mean: E · (1 − (1 − 1/E)ⁿ).</summary>
    /// <param name="experts">Experts E.</param>
    /// <param name="choices">Choices n.</param>
    public static double DistinctExperts(int experts, int choices) => experts * (1 - Math.Pow(1 - (1.0 / experts), choices));

    public DeviceMemory Allocate(long bytes) => inner.Allocate(bytes);

    public void Upload(ReadOnlySpan<float> source, Tensor destination) => inner.Upload(source, destination);

    public void Download(Tensor source, Span<float> destination) => inner.Download(source, destination);

    public void Copy(Tensor x, Tensor destination) => inner.Copy(x, destination);

    public bool TryArgMax(Tensor x, Span<int> ids) => inner.TryArgMax(x, ids);

    public bool TryDraw(Tensor x, ReadOnlySpan<DrawRule> rules, Span<int> ids) => inner.TryDraw(x, rules, ids);

    public IMatrix Pack(ReadOnlySpan<MatrixSource> stacked, WeightFormat? format = null) => inner.Pack(stacked, format);

    public IMatrix[] PackStack(int count, Func<int, (MatrixSource[] Sources, WeightFormat? Format)> matrix) => inner.PackStack(count, matrix);

    public void BeginStep(int rows, bool repeats, int? used = null)
    {
        // A step of its own, without launches: from here on they go out as they come.
        inner.BeginStep(rows, repeats: false, used);
        inner.EndStep();
        _layer = -1;
    }

    public void AbandonStep() => inner.AbandonStep();

    public long CacheBytes => inner.CacheBytes;

    public KvLayout LayoutOf(int blockTokens, int layers, AttentionShape shape, KvFormat format) => inner.LayoutOf(blockTokens, layers, shape, format);

    public KvStep CreateKvStep(KvLayout layout, DeviceMemory memory, long offset, int count) => inner.CreateKvStep(layout, memory, offset, count);

    public IEmbedding CreateEmbedding(MatrixSource table) => inner.CreateEmbedding(table);

    public void CopyBlock(KvStep cache, int source, int destination) => inner.CopyBlock(cache, source, destination);

    public Routing CreateRouting(int maxRows, int experts, int topK) => inner.CreateRouting(maxRows, experts, topK);

    public void Embed(IEmbedding table, ReadOnlySpan<int> ids, Tensor output)
    {
        int[] copy = ids.ToArray();
        recorder.Record(new PlannedOperation("embed"), () => inner.Embed(table, copy, output));
    }

    public void RmsNorm(Tensor x, Tensor weight, float eps, Tensor output) => recorder.Record(new PlannedOperation("norm"), () => inner.RmsNorm(x, weight, eps, output));

    public void Linear(Tensor x, IMatrix weight, Tensor? bias, Tensor y) =>
        recorder.Record(new PlannedOperation(NameOf(weight), weight.Bytes, Operations(x.Rows, weight)), () => inner.Linear(x, weight, bias, y));

    public bool TryNormLinear(Tensor x, Tensor norm, float eps, IMatrix weight, Tensor? bias, Tensor y) =>
        recorder.TryRecord(new PlannedOperation($"norm, {NameOf(weight)}", weight.Bytes, Operations(x.Rows, weight)), () => inner.TryNormLinear(x, norm, eps, weight, bias, y));

    public void Add(Tensor x, Tensor destination) => recorder.Record(new PlannedOperation("residual"), () => inner.Add(x, destination));

    public void SwiGlu(Tensor gateUp, Tensor output) => recorder.Record(new PlannedOperation("swiglu"), () => inner.SwiGlu(gateUp, output));

    public void RopeAngles(ReadOnlySpan<float> frequencies, ReadOnlySpan<int> positions, Tensor output)
    {
        (float[] own, int[] at) = (frequencies.ToArray(), positions.ToArray());
        recorder.Record(new PlannedOperation("rope angles"), () => inner.RopeAngles(own, at, output));
    }

    public void QueryScales(ReadOnlySpan<int> positions, float attnScale, float floorScale, Tensor output)
    {
        int[] at = positions.ToArray();
        recorder.Record(new PlannedOperation("query scales"), () => inner.QueryScales(at, attnScale, floorScale, output));
    }

    public void RotateNormAndAppend(Tensor qkv, AttentionShape shape, Tensor? angles, float? qkNormEps, Tensor? queryScales, KvStep cache, int layer)
    {
        _layer++;
        string reach = Reached();
        recorder.Record(new PlannedOperation($"rope, qk norm, append{reach}", State: reach) { CacheLayer = _layer }, () => inner.RotateNormAndAppend(qkv, shape, angles, qkNormEps, queryScales, cache, layer));
    }

    public void Attention(Tensor qkv, AttentionShape shape, KvStep cache, int layer, Tensor output) =>
        recorder.Record(AttentionOf(shape, cache), () => inner.Attention(qkv, shape, cache, layer, output));

    public bool TryAttentionLinear(Tensor qkv, AttentionShape shape, KvStep cache, int layer, IMatrix weight, Tensor? bias, Tensor block, Tensor hidden)
    {
        PlannedOperation attention = AttentionOf(shape, cache);
        var operation = attention with
        {
            Name = $"{attention.Name}, {NameOf(weight)}",
            FloorBytes = attention.FloorBytes + weight.Bytes,
            FloorOperations = attention.FloorOperations + Operations(qkv.Rows, weight),
        };
        return recorder.TryRecord(operation, () => inner.TryAttentionLinear(qkv, shape, cache, layer, weight, bias, block, hidden));
    }

    private PlannedOperation AttentionOf(AttentionShape shape, KvStep cache)
    {
        (int sequences, int rows, int cached) = recorder.Reach(_layer);
        double keys = (double)sequences * (cached + rows), pairs = (double)sequences * rows * (cached + ((rows + 1) / 2.0));
        string reach = Reached();
        return new PlannedOperation($"attention{reach}", keys * 2 * shape.KvHeads * shape.HeadDim * cache.Layout.ElementBytes, pairs * 4 * shape.Heads * shape.HeadDim, reach) { CacheLayer = _layer };
    }

    public void RouteTopK(Tensor routerLogits, Routing routing)
    {
        _routerLogits = routerLogits;
        (int few, _) = Distinct(routing.ExpertCount, routerLogits.Rows * routing.TopK);
        Choose(routerLogits, routing, few);
        recorder.Record(new PlannedOperation("route") { RunsWhole = true }, () => inner.RouteTopK(routerLogits, routing));
    }

    public void ExpertFeedForward(Tensor x, Routing routing, ReadOnlySpan<ExpertWeights> experts, Tensor output)
    {
        ExpertWeights[] own = experts.ToArray();
        (int few, double share) = Distinct(own.Length, x.Rows * routing.TopK);
        IMatrix gateUp = own[0].GateUp, down = own[0].Down;
        var operation = new PlannedOperation(
            $"experts, {gateUp.Format}", (few + share) * (gateUp.Bytes + down.Bytes), Operations(x.Rows * routing.TopK, gateUp) + Operations(x.Rows * routing.TopK, down),
            FormattableString.Invariant($"{few + share:R} experts"));
        void Run() => inner.ExpertFeedForward(x, routing, own, output);
        if (share == 0)
        {
            recorder.Record(operation, Run);
            return;
        }
        recorder.RecordMean(operation, Run, ($"{few} experts", $"{few + 1} experts", share, () => Choose(_routerLogits, routing, few + 1)));
    }

    public bool TryFeedForward(in FeedForwardBlock block)
    {
        // The logits are those of weights that are all zero: each row's first expert is chosen.
        FeedForwardBlock own = block;
        int rows = own.Hidden.Rows;
        List<IMatrix> read = own.Router is null ? [own.GateUp, own.Down] : [own.GateUp, own.Down, own.Router, own.Experts.Span[0].GateUp, own.Experts.Span[0].Down];
        var operation = new PlannedOperation($"norm, feed forward, {own.GateUp.Format}", read.Sum(matrix => matrix.Bytes), read.Sum(matrix => Operations(rows, matrix)));
        return recorder.TryRecord(operation, () => inner.TryFeedForward(own));
    }

    public void LayerNorm(Tensor x, Tensor weight, Tensor bias, float eps, Tensor output) =>
        recorder.Record(new PlannedOperation("layer norm"), () => inner.LayerNorm(x, weight, bias, eps, output));

    public void Gelu(Tensor x) => recorder.Record(new PlannedOperation("gelu"), () => inner.Gelu(x));

    public void UnfoldPatches(ReadOnlySpan<ushort> pixels, int tiles, int channels, int size, int patch, Tensor output)
    {
        ushort[] own = pixels.ToArray();
        recorder.Record(new PlannedOperation("unfold patches"), () => inner.UnfoldPatches(own, tiles, channels, size, patch, output));
    }

    public void AppendClassTokenAndPositions(Tensor patches, Tensor classToken, Tensor positions, int tiles, Tensor x) =>
        recorder.Record(new PlannedOperation("class token, positions"), () => inner.AppendClassTokenAndPositions(patches, classToken, positions, tiles, x));

    public void VisionAttention(Tensor qkv, int tiles, int heads, Tensor angles, Tensor output) =>
        recorder.Record(new PlannedOperation("vision attention"), () => inner.VisionAttention(qkv, tiles, heads, angles, output));

    public void PixelShuffle(Tensor x, int tiles, int grid, Tensor output) => recorder.Record(new PlannedOperation("pixel shuffle"), () => inner.PixelShuffle(x, tiles, grid, output));

    public void Dispose() => inner.Dispose();

    private string NameOf(IMatrix weight)
    {
        string name = shape.FirstOrDefault(product => product.Outputs == weight.Rows && product.Inner == weight.Columns && product.Experts == 0)?.Name ?? "linear";
        return $"{name}, {weight.Format} {weight.Rows} x {weight.Columns}";
    }

    private static double Operations(int rows, IMatrix weight) => 2.0 * rows * weight.Rows * weight.Columns;

    /// <summary>Whole experts below the mean number of different ones, and what is missing to it.</summary>
    private static (int Few, double Share) Distinct(int experts, int choices)
    {
        double mean = DistinctExperts(experts, choices);
        int few = (int)(mean + Certain);
        return (few, mean - few > Certain ? mean - few : 0);
    }

    private string Reached()
    {
        (_, int rows, int cached) = recorder.Reach(_layer);
        return rows == 1 ? $", {cached + 1} keys" : $", {rows} rows to key {cached + rows}";
    }

    /// <summary>Lets rows choose so many different experts, by turns.</summary>
    private void Choose(Tensor routerLogits, Routing routing, int distinct)
    {
        string wanted = $"{routerLogits} {distinct}";
        if (_routed == wanted)
        {
            return;
        }
        _routed = wanted;
        int experts = routing.ExpertCount;
        float[] logits = new float[routerLogits.Elements];
        for (int row = 0; row < routerLogits.Rows; row++)
        {
            for (int choice = 0; choice < routing.TopK; choice++)
            {
                int turn = ((row * routing.TopK) + choice) % distinct;
                logits[(row * experts) + (int)((long)turn * experts / distinct)] = routing.TopK - choice;
            }
        }
        inner.Upload(logits, routerLogits);
        recorder.Execute(() => inner.RouteTopK(routerLogits, routing));
    }
}
