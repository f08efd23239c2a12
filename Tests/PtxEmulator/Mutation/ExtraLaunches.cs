using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Tests.Kernels.Ilgpu;
using Llama4Kernels.Tests.Oracles;

namespace Llama4Kernels.Tests.PtxEmulator.Mutation;

/// <summary>Launches with inputs that the tests of the kernels lack, each written because a mutant survived without it.</summary>
internal static class ExtraLaunches
{
    /// <summary>Experts' products with scales of rows and, with many outputs, several tiles of them.</summary>
    public static void ScaledExperts(DeviceRunner device, int experts, int outputs, int inner)
    {
        int[] starts = [.. Enumerable.Range(0, experts + 1).Select(expert => 3 * expert)], rowExperts = [.. Enumerable.Range(0, 3 * experts).Select(row => row / 3)];
        float[] x = Numbers(rowExperts.Length * inner, 1), w = Numbers(experts * outputs * inner, 2), scales = Numbers(experts * outputs, 3);
        double[] expected = [.. rowExperts.SelectMany((expert, row) => Enumerable.Range(expert * outputs, outputs).Select(output =>
            scales[output] * Enumerable.Range(0, inner).Sum(c => (double)x[row * inner + c] * w[output * inner + c])))];
        DeviceBuffer xs = device.Upload(x), ws = device.Upload(w), factors = device.Upload(scales), y = device.Upload(new float[expected.Length]);
        int extent = 4 * device.Side;
        device.Launch("expert_matmul_f32", ((outputs + extent - 1) / extent, 1, experts), (device.Side, device.Side), xs, ws, factors, device.Upload(starts), y, outputs, inner, device.Threads / 4);
        Closeness.Check(expected, device.Download<float>(y), 1e-6);
        y = device.Upload(new float[expected.Length]);
        device.Launch("expert_matvec_f32", (outputs, rowExperts.Length, 1), (device.Threads, 1), xs, ws, factors, device.Upload(rowExperts), y, outputs, inner);
        Closeness.Check(expected, device.Download<float>(y), 1e-6);
    }

    /// <summary>Codes below the smallest normal one, and an infinity that another warp than the first finds.</summary>
    public static void SmallAndInfiniteCodes(DeviceRunner device)
    {
        const int Columns = 37;
        const float Bound = 1200f;
        float[] small = [448f, .. Enumerable.Range(1, Columns - 1).Select(i => (i % 2 == 0 ? i : -i) * 0.5f / 512f)], infinite = Numbers(Columns, 4);
        infinite[^2] = float.PositiveInfinity;
        DeviceBuffer codes = device.Upload(new byte[2 * Columns]), scales = device.Upload(new float[2]);
        device.Launch("quantise_fp8", (2, 1, 1), (device.Threads, 1), device.Upload<float>([.. small, .. infinite]), codes, scales, Columns, Bound);
        Assert.Equal([1f, Bound / 448f], device.Download<float>(scales));
        Assert.Equal([.. small.Select(Fp8.FromSingle), .. infinite.Select(value => Fp8.FromSingle(value / (Bound / 448f)))], device.Download<byte>(codes));
    }

    /// <summary>Infinities beside NaN, and logits where the polynomial of the exponential has its largest argument.</summary>
    public static void UnusualLogits(DeviceRunner device)
    {
        const int Experts = 8, TopK = 8;
        float[] logits = [float.NaN, float.NegativeInfinity, 1f, float.NaN, float.PositiveInfinity, float.NegativeInfinity, 0.5f, -2f, .. Steep.Take(8)];
        DeviceBuffer chosen = device.Upload(new int[2 * TopK]), scores = device.Upload(new float[2 * TopK]);
        device.Launch("route_topk", (2, 1, 1), (device.Threads, 1), device.Upload(logits), chosen, scores, Experts, TopK);
        int[] order = device.Download<int>(chosen);
        Assert.Equal([4, 2, 6, 7, 1, 5, 0, 3], order[..TopK]);
        Assert.Equal(Enumerable.Range(0, Experts).OrderByDescending(expert => logits[Experts + expert]), order[TopK..]);
        float[] actual = device.Download<float>(scores);
        for (int i = 0; i < actual.Length; i++)
        {
            float logit = logits[i / TopK * Experts + order[i]];
            Assert.Equal(float.IsNaN(logit) ? 0 : 1 / (1 + Math.Exp(-(double)logit)), actual[i], 3e-7);
        }
    }

    /// <summary>Gates where the polynomial of the exponential has its largest argument.</summary>
    public static void SteepGates(DeviceRunner device)
    {
        const int Columns = 4;
        float[] gates = [.. Steep.Where(gate => MathF.Abs(gate) < 1.1f)], x = [.. gates, .. Enumerable.Repeat(1f, Columns)];
        DeviceBuffer output = device.Upload(new float[Columns]);
        device.Launch("swiglu", (1, 1, 1), (device.Threads, 1), device.Upload(x), output, Columns);
        Closeness.Check(Array.ConvertAll(gates, gate => ActivationOracle.Silu(gate)), device.Download<float>(output), 1e-6);
    }

    /// <summary>Parts of the keys that are longer than a group, so that a part takes several turns: as long as is asked for, or longer for the splits to hold all keys.</summary>
    public static void LongSplits(DeviceRunner device, string format)
    {
        LongSplits(device, format, 2 * device.Threads + 5);
        LongSplits(device, format, 7);
    }

    private static void LongSplits(DeviceRunner device, string format, int splitKeys)
    {
        const int Heads = 3, D = 6, BlockTokens = 200, Splits = 2, Position = 130, Columns = (Heads + 2) * D;
        float[] qkv = Numbers(Columns, 5), pool = Array.ConvertAll(Numbers(2 * D * BlockTokens, 6), Bf16.Round);
        DeviceBuffer pools = format == "f32" ? device.Upload(pool) : device.Upload(Array.ConvertAll(pool, Bf16.FromSingle));
        double[] expected = [.. Enumerable.Range(0, Heads).SelectMany(head => AttentionOracle.Attend(qkv.AsSpan(head * D, D), Position + 1,
            (key, c) => pool[c * BlockTokens + key], (key, c) => pool[(BlockTokens + key) * D + c]))];
        DeviceBuffer positions = device.Upload<int>([Position]), sums = device.Upload(new float[Heads * Splits * D]), stats = device.Upload(new float[Heads * Splits * 2]);
        DeviceBuffer output = device.Upload(new float[Heads * D]);
        device.Launch($"attention_split_{format}", (1, 1, Splits), (device.Threads, 1), device.Upload(qkv), pools, device.Upload<int>([0]), device.Upload<int>([0]), positions, sums, stats, Heads, 1, D,
            BlockTokens, 2L * D * BlockTokens, (long)D * BlockTokens, 1L, (long)BlockTokens, (long)D * BlockTokens, (long)D, splitKeys, Splits);
        device.Launch("attention_combine", (1, Heads, 1), (device.Threads, 1), sums, stats, positions, output, D, splitKeys, Splits);
        Closeness.Check(expected, device.Download<float>(output), 1e-6);
    }

    /// <summary>One row with a scale of its queries, as in decoding.</summary>
    public static void ScaledRow(DeviceRunner device, string format)
    {
        const int Heads = 2, D = 6, BlockTokens = 4, Position = 2;
        const float Scale = 1.5f;
        float[] qkv = Numbers((Heads + 2) * D, 7), pool = new float[2 * D * BlockTokens];
        DeviceBuffer qkvs = device.Upload(qkv), pools = format == "f32" ? device.Upload(pool) : device.Upload(new ushort[pool.Length]);
        device.Launch($"rotate_norm_append_{format}", (1, Heads + 2, 1), (device.Threads, 1), qkvs, null, device.Upload<float>([Scale]), pools, device.Upload<int>([0]), device.Upload<int>([0]), device.Upload<int>([Position]), Heads, 1, D,
            BlockTokens, 2L * D * BlockTokens, (long)D * BlockTokens, 1L, (long)BlockTokens, (long)D * BlockTokens, (long)D, -1f);
        Assert.Equal(qkv.Select((value, i) => i < Heads * D ? value * Scale : value), device.Download<float>(qkvs));
        for (int c = 0; c < D; c++)
        {
            pool[c * BlockTokens + Position] = qkv[Heads * D + c];
            pool[(BlockTokens + Position) * D + c] = qkv[(Heads + 1) * D + c];
        }
        if (format == "f32")
        {
            Assert.Equal(pool, device.Download<float>(pools));
        }
        else
        {
            Assert.Equal(Array.ConvertAll(pool, Bf16.FromSingle), device.Download<ushort>(pools));
        }
    }

    /// <summary>Halfway between multiples of ln 2.</summary>
    private static IEnumerable<float> Steep => Enumerable.Range(-6, 12).Select(k => (k + 0.49f) * 0.6931472f);

    private static float[] Numbers(int count, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => random.NextSingle() * 2f - 1f)];
    }
}
