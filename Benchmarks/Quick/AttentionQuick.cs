using System.Runtime.InteropServices;
using Llama4Kernels.Benchmarks.Machine;
using Llama4Kernels.Kernels.Assembly;
using Llama4Kernels.Kernels.Attention;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Benchmarks.Quick;

/// <summary>
/// Attention of one layer (40 query and 8 key/value heads of 128) by every form that this processor runs: decoding of 1 to 8 tokens
/// against the roof, which is what reading keys and values or the multipliers' peak takes, whichever is longer, and prompts of 512
/// tokens against the peak; then what a step of a small model calls. Attention, readings and peaks take turns, and the best of each
/// counts: on a busy machine those that nobody interrupted.
/// </summary>
internal static unsafe class AttentionQuick
{
    private const long PoolBytes = 256 << 20;

    private const int BlockTokens = 64;

    private static readonly AttentionShape s_shape = new(40, 8, 128), s_small = new(4, 2, 64);

    /// <param name="threads">0 for one on each core.</param>
    /// <param name="only">How the names of records end that are measured; null for all.</param>
    public static void Run(int threads, string? only)
    {
        using var team = new ThreadTeam(threads);
        using var scratch = new CpuScratch();
        double peak = 0;
        void Measure(AttentionRecord record, AttentionShape shape, int sequences, int context, int tokens)
        {
            var forms = new AttentionForms(ActivationPrecision.BFloat16, record.Name);
            KvLayout layout = CpuKvStep.LayoutOf(BlockTokens, 1, shape, record.InPairs ? KvFormat.BF16 : KvFormat.F32);
            int blocks = layout.Blocks(context + tokens) * sequences;
            // Each call reads other blocks, so that no cache holds them.
            int copies = tokens > 8 ? 1 : (int)Math.Max(1, PoolBytes / (blocks * layout.BlockBytes));
            using var memory = new CpuMemory(copies * blocks * layout.BlockBytes);
            Fill(memory, record.InPairs);
            using var qkv = new CpuMemory((long)sequences * tokens * shape.QkvColumns * sizeof(float));
            using var output = new CpuMemory((long)sequences * tokens * shape.QueryColumns * sizeof(float));
            Fill(qkv, false);
            CpuKvStep[] steps = [.. Enumerable.Range(0, copies).Select(copy => Step(layout, memory, copy * blocks, blocks, sequences, context, tokens))];
            double operations = 4.0 * shape.Heads * shape.HeadDim * sequences * tokens * (context + (tokens + 1) / 2.0);
            double bytes = 2.0 * shape.KvHeads * shape.HeadDim * layout.ElementBytes * sequences * (context + tokens);
            double best = double.MaxValue, reading = 0;
            int count = (int)Math.Clamp(8e10 / operations, 4, 400);
            for (int i = 0; i < count; i++)
            {
                CpuKvStep step = steps[i % copies];
                best = Math.Min(best, Ceilings.Best(1, () => PagedAttention.Run(
                    team, scratch, forms, qkv.View(sequences * tokens, shape.QkvColumns), shape, step, 0, output.View(sequences * tokens, shape.QueryColumns))));
                if (i % 8 == 0 && copies > 1)
                {
                    reading = Math.Max(reading, ReadBandwidth.Measure(team, [(memory.Address, memory.Length)], 1));
                    peak = Math.Max(peak, Peak(team));
                }
            }
            peak = Math.Max(peak, Peak(team));
            double readSeconds = tokens > 8 ? 0 : bytes / reading, roof = Math.Max(readSeconds, operations / peak);
            Console.WriteLine(
                $"{record.Name,-26} {sequences,2} x {tokens,3} tokens after {context,5} | {best * 1e6,9:F1} us | {bytes / best / 1e9,5:F1} GB/s | {operations / best / 1e9,6:F1} GFLOP/s | {roof / best,4:P0} of {(readSeconds * peak >= operations ? $"reading {reading / 1e9:F1} GB/s" : $"the peak {peak / 1e9:F0}")}");
            Array.ForEach(steps, step => step.Dispose());
        }
        foreach (AttentionRecord record in AttentionForms.All.Where(record => record.Lack(CpuLimits.This) is null && (only is null || record.Name.EndsWith(only, StringComparison.Ordinal))))
        {
            Measure(record, s_shape, 1, 2047, 1);
            Measure(record, s_shape, 1, 8191, 1);
            Measure(record, s_shape, 1, 8188, 4);
            Measure(record, s_shape, 1, 0, 512);
            Measure(record, s_shape, 1, 2048, 512);
            Measure(record, s_small, 16, 94, 1);
            Measure(record, s_small, 1, 94, 1);
        }
    }

    private static double Peak(ThreadTeam team) => CpuFeatures.Avx512Bf16 ? Ceilings.DotPeak(team) : Ceilings.FmaPeak(team);

    private static CpuKvStep Step(KvLayout layout, CpuMemory memory, int first, int blocks, int sequences, int context, int tokens)
    {
        var step = new CpuKvStep(layout, memory, first * layout.BlockBytes, blocks);
        step.Set(
            sequences * tokens,
            [.. Enumerable.Range(0, sequences).Select(i => new KvSegment(i * tokens, tokens, context, i * (blocks / sequences)))],
            [.. Enumerable.Range(0, blocks)]);
        return step;
    }

    /// <summary>Numbers of -1 … 1: as many as there are of one kind, over and over.</summary>
    private static void Fill(CpuMemory memory, bool halves)
    {
        var random = new Random(1);
        byte[] some = new byte[1 << 20];
        Span<float> numbers = MemoryMarshal.Cast<byte, float>(some.AsSpan());
        for (int i = 0; i < numbers.Length; i++)
        {
            float low = random.NextSingle() * 2 - 1, high = random.NextSingle() * 2 - 1;
            numbers[i] = halves
                ? BitConverter.UInt32BitsToSingle((BitConverter.SingleToUInt32Bits(high) & 0xffff0000) | (BitConverter.SingleToUInt32Bits(low) >> 16))
                : low;
        }
        for (long at = 0; at < memory.Length; at += some.Length)
        {
            int length = (int)Math.Min(some.Length, memory.Length - at);
            some.AsSpan(0, length).CopyTo(new Span<byte>((byte*)memory.Address + at, length));
        }
    }
}
