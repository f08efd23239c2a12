using System.Runtime.InteropServices;
using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.Kernels.ExpertRouting;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Quantization;
using Llama4Kernels.Tests.Kernels.Quantization;
using Llama4Kernels.Tests.Oracles;
using Llama4Kernels.Tests.PtxEmulator.Mutation;

namespace Llama4Kernels.Tests.Kernels.ExpertRouting;

/// <summary>Launches of the kernels of a row's feed-forward block, with results in float64 of the same operands.</summary>
internal static class FeedForwardCase
{
    private const float Eps = 0.01f;

    /// <summary>Columns that leave the last warp two, three and four groups: what it copied beyond them would lie behind the weights.</summary>
    private static readonly int[] s_lastGroups = [768, 1280, 1792];

    /// <summary>What mistakes in a kernel are looked for with; none for other kernels.</summary>
    public static IReadOnlyList<MutationLaunch> Launches(string name) => name switch
    {
        // Rows that end in each of a thread's pieces; experts that end within a block.
        NormRouterPtx.Name => [NormRouter(2, 640, 6, seed: 1), NormRouter(1, 1152, 0, seed: 2), .. Enumerable.Range(2, 6).Select(piece => NormRouter(1, (1024 * piece) + 384, 3, seed: piece))],
        // Fewer groups than warps; rings that are filled twice; warps' last groups in every slot.
        ExpertGateUpPtx.Name =>
        [
            GateUp(256, 384, Logits(37, 35, seed: 1), seed: 1), GateUp(128, 2688, [float.NaN, float.NaN], seed: 4, blocks: 2),
            GateUp(128, 5760, [], seed: 3, blocks: 1), .. s_lastGroups.Select(inner => GateUp(128, inner, [], seed: inner)),
        ],
        ExpertDownPtx.Name => [Down(40, 384, 3, 2, seed: 1), Down(33, 1152, 2, 1, seed: 2), Down(1, 2944, 1, 0, seed: 4), Down(17, 2688, 0, 0, seed: 3), .. s_lastGroups.Select(inner => Down(1, inner, 0, 0, seed: inner))],
        _ => [],
    };

    /// <summary>Random logits whose largest is a certain one's; an equal one follows.</summary>
    public static float[] Logits(int experts, int chosen, int seed)
    {
        var random = new Random(seed);
        float[] logits = [.. Enumerable.Range(0, experts).Select(_ => (float)(random.NextDouble() - 1.2))];
        logits[chosen] = 0.5f;
        if (chosen + 1 < experts)
        {
            logits[chosen + 1] = 0.5f;
        }
        return logits;
    }

    /// <summary>The norm with the router.</summary>
    public static MutationLaunch NormRouter(int rows, int columns, int experts, int seed)
    {
        var random = new Random(seed);
        float Value() => (float)((2 * random.NextDouble()) - 1);
        float[] x = [.. Enumerable.Range(0, rows * columns).Select(_ => Value())], weight = [.. Enumerable.Range(0, columns).Select(_ => 1 + Value())];
        float[] router = [.. Enumerable.Range(0, experts * columns).Select(_ => Bf16.ToSingle(Bf16.FromSingle(Value())))];
        double[] normed = NormOracle.RmsNorm(x, weight, Eps);
        // A value in the middle between two bfloat16 may become either: such weights are taken a little larger.
        while (Enumerable.Range(0, normed.Length).FirstOrDefault(i => OperandBytes.IsBetween(normed[i]), -1) is int at && at >= 0)
        {
            weight[at % columns] *= 1.0001f;
            normed = NormOracle.RmsNorm(x, weight, Eps);
        }
        float[] values = [.. normed.Select(value => (float)value)];
        float[] logits = [.. from row in Enumerable.Range(0, rows) from expert in Enumerable.Range(0, experts) select (float)Enumerable.Range(0, columns).Sum(c => normed[(row * columns) + c] * router[(expert * columns) + c])];
        byte[] operand = OperandBytes.Of([.. values.Chunk(columns)], OperandBytes.TwoPairs);
        List<MutationBuffer> buffers = [Same(x), Same(weight), new(null, operand, Agreement.Exact)];
        object?[] routing = [null, null];
        if (experts > 0)
        {
            buffers.Add(Same([.. router.Select(Bf16.FromSingle)]));
            buffers.Add(new(null, Bytes(logits), new Agreement(ElementFormat.F32, 2e-6, 2e-6, 1e-6)));
            routing = [new BufferArgument(3, router.Length), new BufferArgument(4, logits.Length)];
        }
        return new MutationLaunch(
            new CudaDim3(NormRouterPtx.Blocks(experts), rows), new CudaDim3(NormRouterPtx.Threads), NormRouterPtx.SharedBytes,
            [new BufferArgument(0, x.Length), new BufferArgument(1, columns), routing[0], new BufferArgument(2, operand.Length), routing[1], columns, experts, Eps], buffers);
    }

    /// <summary>The first kernel: of the shared expert, and of the one that logits choose.</summary>
    /// <param name="width">Values of h.</param>
    /// <param name="inner">Columns.</param>
    /// <param name="logits">The router's; none without experts.</param>
    /// <param name="seed">Of the operands.</param>
    /// <param name="blocks">Blocks of 16 values of each expert that are launched; null for all.</param>
    public static MutationLaunch GateUp(int width, int inner, float[] logits, int seed, int? blocks = null)
    {
        int chosen = ChoiceOf(logits);
        (Int4Case shared, Int4Case experts) = Pair(2 * width, inner, logits.Length, chosen, seed);
        shared.X[0].CopyTo(experts.X[0], 0);
        double score = logits.Length == 0 || float.IsNaN(logits[chosen]) ? 0 : Sigmoid(logits[chosen]);
        float[] Activated(Int4Case of, double factor) => [.. Enumerable.Range(0, width).Select(i =>
        {
            double gate = factor * of.Expected(0, i).Value, up = factor * of.Expected(0, width + i).Value;
            return (float)(gate * Sigmoid(gate) * up);
        })];
        float[][] h = logits.Length == 0 ? [Activated(shared, 1)] : [Activated(shared, 1), Activated(experts, score)];
        byte[] operand = OperandBytes.Of([shared.X[0]]), results = OperandBytes.Of(h, withSums: false);
        for (int row = 0; row < h.Length; row++)
        {
            for (int column = 16 * (blocks ?? (width / 16)); column < width; column++)
            {
                // Nobody's.
                int group = (row * width / Int4Tiles.GroupColumns) + (column / Int4Tiles.GroupColumns);
                results.AsSpan((group * Int4Operand.GroupBytes) + Int4Operand.Place(column % Int4Tiles.GroupColumns), 2).Fill(0xFF);
            }
        }
        // A value may be rounded to the neighbour.
        List<MutationBuffer> buffers = [Same(shared.Weights), Same(shared.Scales), Same(operand), new(null, results, new Agreement(ElementFormat.Bf16, 1.0 / 128, 1e-5, 1e-6))];
        object?[] routed = [null, null, null, null];
        if (logits.Length > 0)
        {
            buffers.AddRange([Same(experts.Weights), Same(experts.Scales), Same(logits), new(null, Bytes([chosen]), Agreement.Exact)]);
            routed = [new BufferArgument(4, experts.Weights.Length), new BufferArgument(5, experts.Scales.Length), new BufferArgument(6, logits.Length), new BufferArgument(7, 1)];
        }
        return new MutationLaunch(
            new CudaDim3(blocks ?? (width / 16), h.Length), new CudaDim3(FeedForwardPtx.Threads), ExpertGateUpPtx.SharedBytes,
            [new BufferArgument(0, shared.Weights.Length), new BufferArgument(1, shared.Scales.Length), routed[0], routed[1], new BufferArgument(2, operand.Length), routed[2], routed[3], new BufferArgument(3, buffers[3].Expected.Length), width, inner, logits.Length], buffers);
    }

    /// <summary>The second kernel.</summary>
    public static MutationLaunch Down(int outputs, int inner, int expertCount, int chosen, int seed)
    {
        (Int4Case shared, Int4Case experts) = Pair(outputs, inner, expertCount, chosen, seed);
        var random = new Random(seed);
        float[] before = [.. Enumerable.Range(0, outputs).Select(_ => (float)(10 * random.NextDouble()))];
        float[] after = [.. before.Select((value, i) => (float)(value + shared.Expected(0, i).Value + (expertCount == 0 ? 0 : experts.Expected(0, i).Value)))];
        byte[] operand = OperandBytes.Of(expertCount == 0 ? [shared.X[0]] : [shared.X[0], experts.X[0]]);
        List<MutationBuffer> buffers = [Same(shared.Weights), Same(shared.Scales), Same(operand), new(Bytes(before), Bytes(after), new Agreement(ElementFormat.F32, 1e-5, 2e-6, 0)), Same<int>([chosen])];
        object?[] routed = [null, null];
        if (expertCount > 0)
        {
            buffers.AddRange([Same(experts.Weights), Same(experts.Scales)]);
            routed = [new BufferArgument(5, experts.Weights.Length), new BufferArgument(6, experts.Scales.Length)];
        }
        return new MutationLaunch(
            new CudaDim3(Int4Tiles.Units(outputs)), new CudaDim3(FeedForwardPtx.Threads), ExpertDownPtx.SharedBytes,
            [new BufferArgument(0, shared.Weights.Length), new BufferArgument(1, shared.Scales.Length), routed[0], routed[1], new BufferArgument(4, 1), new BufferArgument(2, operand.Length), new BufferArgument(3, outputs), outputs, inner, expertCount == 0 ? 1 : 2], buffers);
    }

    /// <summary>The first of the largest, what is no number last.</summary>
    private static int ChoiceOf(float[] logits)
    {
        int best = 0;
        for (int i = 1; i < logits.Length; i++)
        {
            best = logits[i] > logits[best] || (float.IsNaN(logits[best]) && !float.IsNaN(logits[i])) ? i : best;
        }
        return best;
    }

    private static (Int4Case Shared, Int4Case Experts) Pair(int outputs, int inner, int experts, int chosen, int seed)
    {
        int[] starts = [.. Enumerable.Range(0, Math.Max(experts, 1) + 1).Select(expert => expert <= chosen ? 0 : 1)];
        return (new Int4Case(1, outputs, inner, seed), new Int4Case(1, outputs, inner, seed + 1, starts));
    }

    private static double Sigmoid(double x) => 1 / (1 + Math.Exp(-x));

    private static MutationBuffer Same<T>(T[] values)
        where T : unmanaged
    {
        byte[] bytes = Bytes(values);
        return new MutationBuffer(bytes, bytes, Agreement.Exact);
    }

    private static byte[] Bytes<T>(T[] values)
        where T : unmanaged => MemoryMarshal.AsBytes(values.AsSpan()).ToArray();
}
