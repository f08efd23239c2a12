using Llama4Kernels.Tests.Oracles;

namespace Llama4Kernels.Tests.Kernels.Ilgpu;

public abstract partial class DeviceKernelTests
{
    [Theory]
    [InlineData(1, 1)]
    [InlineData(16, 1)]
    [InlineData(9, 3)]
    public void TheBestExpertsOfEachRow(int experts, int topK)
    {
        const int Rows = 5;
        float[] logits = Numbers(Rows * experts, 40, 8f);
        // A row of equals, one of infinities, one that holds NaN.
        Array.Fill(logits, 0.5f, experts, experts);
        Array.Fill(logits, float.NegativeInfinity, 2 * experts, experts);
        logits[2 * experts + experts / 2] = float.PositiveInfinity;
        Array.Fill(logits, float.NaN, 3 * experts, (experts + 1) / 2);
        DeviceBuffer chosen = _device.Upload(Enumerable.Repeat(-1, Rows * topK).ToArray()), scores = Zeros<float>(Rows * topK);
        Run("route_topk", (Rows, 1, 1), _device.Upload(logits), chosen, scores, experts, topK);
        int[] actual = _device.Download<int>(chosen);
        float[] factors = Floats(scores);
        for (int row = 0; row < Rows; row++)
        {
            int[] expected = [.. Enumerable.Range(0, experts).OrderByDescending(e => float.IsNaN(logits[row * experts + e]) ? double.NegativeInfinity : Math.Max(logits[row * experts + e], -1e30))
                .ThenBy(e => e).Take(topK)];
            Assert.Equal(expected, actual[(row * topK)..((row + 1) * topK)]);
            for (int i = 0; i < topK; i++)
            {
                float logit = logits[row * experts + expected[i]];
                Assert.Equal(float.IsNaN(logit) ? 0 : 1 / (1 + Math.Exp(-(double)logit)), factors[row * topK + i], 3e-7);
            }
        }
    }

    [Theory]
    [InlineData(1, 4, 1)]
    [InlineData(11, 5, 2)]
    [InlineData(150, 17, 1)]
    public void RowsGoToTheirExpertsAndBack(int tokens, int experts, int topK)
    {
        const int Columns = 5;
        int slots = tokens * topK;
        var random = new Random(41);
        // The last expert is never chosen; a token's experts are distinct.
        int[] chosen = [.. Enumerable.Range(0, tokens).SelectMany(_ => Enumerable.Range(0, experts - 1).OrderBy(_ => random.Next()).Take(topK))];
        DeviceBuffer choices = _device.Upload(chosen), starts = Zeros<int>(experts + 1), order = Zeros<int>(slots), inverse = Zeros<int>(slots), rowExperts = Zeros<int>(slots);
        Run("route_group", (experts, 1, 1), choices, starts, order, inverse, rowExperts, slots, experts);
        int[] expected = [.. Enumerable.Range(0, slots).OrderBy(slot => chosen[slot])];
        Assert.Equal(expected, _device.Download<int>(order));
        Assert.Equal(Enumerable.Range(0, slots).Select(slot => Array.IndexOf(expected, slot)), _device.Download<int>(inverse));
        Assert.Equal(expected.Select(slot => chosen[slot]), _device.Download<int>(rowExperts));
        Assert.Equal(Enumerable.Range(0, experts + 1).Select(expert => chosen.Count(choice => choice < expert)), _device.Download<int>(starts));

        float[] x = Numbers(tokens * Columns, 42), scores = Numbers(slots, 43), before = Numbers(tokens * Columns, 44);
        DeviceBuffer gathered = Zeros<float>(slots * Columns), output = _device.Upload(before);
        Run("gather_scaled", (slots, 2, 1), _device.Upload(x), order, _device.Upload(scores), gathered, Columns, topK);
        float[] rows = Floats(gathered);
        Assert.Equal(expected.SelectMany(slot => Enumerable.Range(0, Columns).Select(c => x[slot / topK * Columns + c] * scores[slot])), rows);
        Run("scatter_add", (tokens, 3, 1), gathered, inverse, output, Columns, topK);
        double[] sums = [.. Enumerable.Range(0, tokens * Columns).Select(i => before[i] + Enumerable.Range(0, topK).Sum(choice => (double)x[i] * scores[i / Columns * topK + choice]))];
        Closeness.Check(sums, Floats(output), 3e-7);
    }

    /// <summary>All kernels between router logits and output in the order of a forward pass, with both kinds of product.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void AFeedForwardOfExperts(bool tiled)
    {
        const int Tokens = 5, Experts = 4, TopK = 2, D = 6, F = 7, Slots = Tokens * TopK;
        float[] x = Numbers(Tokens * D, 60), logits = Numbers(Tokens * Experts, 61, 3f), before = Numbers(Tokens * D, 62);
        float[] gateUp = Numbers(Experts * 2 * F * D, 63), down = Numbers(Experts * D * F, 64);
        double[] expected = Array.ConvertAll(before, value => (double)value);
        for (int token = 0; token < Tokens; token++)
        {
            foreach (int expert in Enumerable.Range(0, Experts).OrderByDescending(e => logits[token * Experts + e]).Take(TopK))
            {
                double score = 1 / (1 + Math.Exp(-(double)logits[token * Experts + expert]));
                double[] both = [.. Enumerable.Range(0, 2 * F).Select(j => Enumerable.Range(0, D).Sum(c => score * x[token * D + c] * gateUp[(expert * 2 * F + j) * D + c]))];
                double[] hidden = [.. Enumerable.Range(0, F).Select(j => ActivationOracle.Silu(both[j]) * both[F + j])];
                for (int c = 0; c < D; c++)
                {
                    expected[token * D + c] += Enumerable.Range(0, F).Sum(j => hidden[j] * down[(expert * D + c) * F + j]);
                }
            }
        }

        DeviceBuffer chosen = Zeros<int>(Slots), scores = Zeros<float>(Slots), starts = Zeros<int>(Experts + 1), order = Zeros<int>(Slots), inverse = Zeros<int>(Slots), rowExperts = Zeros<int>(Slots);
        DeviceBuffer gathered = Zeros<float>(Slots * D), projected = Zeros<float>(Slots * 2 * F), activated = Zeros<float>(Slots * F), results = Zeros<float>(Slots * D), output = _device.Upload(before);
        Run("route_topk", (Tokens, 1, 1), _device.Upload(logits), chosen, scores, Experts, TopK);
        Run("route_group", (Experts, 1, 1), chosen, starts, order, inverse, rowExperts, Slots, Experts);
        Run("gather_scaled", (Slots, 1, 1), _device.Upload(x), order, scores, gathered, D, TopK);
        Product(gathered, gateUp, projected, 2 * F, D);
        Run("swiglu", (Slots, 1, 1), projected, activated, F);
        Product(activated, down, results, D, F);
        Run("scatter_add", (Tokens, 1, 1), results, inverse, output, D, TopK);
        Closeness.Check(expected, Floats(output), 1e-6);

        void Product(DeviceBuffer rows, float[] weights, DeviceBuffer y, int outputs, int inner)
        {
            if (tiled)
            {
                RunTiled("expert_matmul_f32", outputs, Slots, Experts, rows, _device.Upload(weights), null, starts, y, outputs, inner, Sets);
            }
            else
            {
                Run("expert_matvec_f32", (outputs, Slots, 1), rows, _device.Upload(weights), null, rowExperts, y, outputs, inner);
            }
        }
    }

    [Theory]
    [InlineData(1, 3)]
    [InlineData(7, 1)]
    [InlineData(5, 4)]
    public void TheFirstOfTheLogits(int k, int parts)
    {
        int columns = 4 * N + 7;
        const int Rows = 4;
        float[] logits = [.. Numbers(Rows * columns, 45).Select(value => MathF.Round(value * 4) / 4)];
        Array.Fill(logits, float.NegativeInfinity, columns, columns - 1);
        logits[3 * columns - 3] = float.NaN;
        logits[3 * columns + 1] = -0f;
        DeviceBuffer values = Zeros<float>(Rows * parts * k), ids = Zeros<int>(Rows * parts * k), topValues = Zeros<float>(Rows * k), topIds = Zeros<int>(Rows * k);
        Run("top_k", (parts, Rows, 1), _device.Upload(logits), null, values, ids, columns, k);
        Run("top_k", (1, Rows, 1), values, ids, topValues, topIds, parts * k, k);
        for (int row = 0; row < Rows; row++)
        {
            int[] expected = [.. Enumerable.Range(0, columns).OrderBy(id => float.IsNaN(logits[row * columns + id]) ? 0 : 1).ThenByDescending(id => logits[row * columns + id]).ThenBy(id => id).Take(k)];
            Assert.Equal(expected, _device.Download<int>(topIds)[(row * k)..((row + 1) * k)]);
            Assert.Equal(expected.Select(id => logits[row * columns + id]), Floats(topValues)[(row * k)..((row + 1) * k)]);
        }
    }

    [Fact]
    public void FewerLogitsThanAskedForLeaveTheRestEmpty()
    {
        DeviceBuffer values = Zeros<float>(3), ids = Zeros<int>(3);
        Run("top_k", (1, 1, 1), _device.Upload<float>([1f, 2f]), null, values, ids, 2, 3);
        Assert.Equal([1, 0, -1], _device.Download<int>(ids));
        Assert.Equal([2f, 1f, float.NegativeInfinity], Floats(values));
    }

    [Fact]
    public void SoftmaxSumsOfLargeLogits()
    {
        const int Columns = 37;
        float[] logits = [.. Numbers(Columns, 46, 20f).Select(value => value + 1000f), .. Numbers(Columns, 47)];
        DeviceBuffer sums = Zeros<float>(4);
        Run("softmax_sums", (2, 1, 1), _device.Upload(logits), sums, Columns);
        float[] actual = Floats(sums);
        for (int row = 0; row < 2; row++)
        {
            float[] values = logits[(row * Columns)..((row + 1) * Columns)];
            Assert.Equal(values.Max(), actual[2 * row]);
            Assert.Equal(1, actual[2 * row + 1] / values.Sum(value => Math.Exp((double)value - values.Max())), 1e-6);
        }
    }
}
