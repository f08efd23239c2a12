using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.Attention;

/// <summary>A way to attend on the host: what it reads, what it makes of its operands, what it needs, and its launch.</summary>
/// <param name="Name">The record's name: operation, cache, operands if they are rounded, and what runs it.</param>
/// <param name="InPairs">Whether it reads keys and values in pairs (<see cref="KvLayout.InPairs"/>).</param>
/// <param name="Operands">What it makes of queries and weights.</param>
/// <param name="Reason">When it is taken and why then.</param>
/// <param name="Lack">What a processor lacks for it, or null.</param>
/// <param name="TileTokens">Tokens of a tile by heads that share a key/value head.</param>
/// <param name="ScratchBytes">Bytes of scratch.</param>
/// <param name="Run">Computes the tiles of a step.</param>
internal sealed record AttentionRecord(
    string Name, bool InPairs, ActivationPrecision Operands, string Reason, Func<CpuLimits, string?> Lack, Func<int, int> TileTokens, AttentionRecord.Measure ScratchBytes, AttentionRecord.Launcher Run)
{
    public delegate long Measure(ThreadTeam team, in AttentionPlan plan, int tiles, int maxKeys);

    public unsafe delegate void Launcher(ThreadTeam team, in AttentionPlan plan, AttentionTile* tiles, int count, int maxKeys, float* scratch);

    /// <summary>The record of a form.</summary>
    public static unsafe AttentionRecord Of<TForm>(string name, bool inPairs, ActivationPrecision operands, string reason, Func<CpuLimits, string?> lack)
        where TForm : struct, IAttentionForm =>
        new(name, inPairs, operands, reason, lack, TForm.TileTokens, TiledAttention.ScratchBytes<TForm>, TiledAttention.Run<TForm>);
}

/// <summary>The ordered list of forms of attention on the host, best first, and the choice from it.</summary>
internal sealed class AttentionForms
{
    private readonly Func<AttentionRecord, string?> _whyNot;
    private readonly AttentionRecord _pairs, _plain;

    /// <param name="activations">What attention may make of queries and weights: anything but float32 lets them be rounded to bfloat16 where keys and values are.</param>
    /// <param name="forced">A record to be taken wherever it can be; null for none.</param>
    /// <param name="limits">The processor; null for this one.</param>
    /// <exception cref="ArgumentException">There is no record of the forced name; the message lists all.</exception>
    /// <exception cref="PlatformNotSupportedException">The processor cannot run the forced record.</exception>
    public AttentionForms(ActivationPrecision activations, string? forced = null, CpuLimits? limits = null)
    {
        limits ??= CpuLimits.This;
        AttentionRecord? own = forced is null ? null : All.FirstOrDefault(record => record.Name == forced)
            ?? throw new ArgumentException($"There is no attention '{forced}'; there are {string.Join(", ", All.Select(record => record.Name))}.", nameof(forced));
        if (own?.Lack(limits) is string lack)
        {
            throw new PlatformNotSupportedException($"{forced} {lack}.");
        }
        _whyNot = record => own?.InPairs == record.InPairs
            ? (record == own ? null : "is not the forced one")
            : record.Operands != ActivationPrecision.Float32 && activations == ActivationPrecision.Float32 ? "rounds operands" : record.Lack(limits);
        AttentionRecord Choose(bool inPairs) => All.First(record => record.InPairs == inPairs && _whyNot(record) is null);
        _pairs = Choose(true);
        _plain = Choose(false);
    }

    /// <summary>All records.</summary>
    public static AttentionRecord[] All { get; } =
    [
        AttentionRecord.Of<PairAttention<DotPairTile>>("attention_bf16_dot", true, ActivationPrecision.BFloat16, "assembled dot products of pairs and softmax, where operands may be rounded", limits => limits.WhyNoDot()),
        AttentionRecord.Of<PairAttention<WidePairTile>>("attention_bf16_vector512", true, ActivationPrecision.Float32, "managed vectors of 512 bits", limits => limits.WhyNoVectors(512)),
        AttentionRecord.Of<PairAttention<MediumPairTile>>("attention_bf16_vector256", true, ActivationPrecision.Float32, "managed vectors of 256 bits", limits => limits.WhyNoVectors(256)),
        AttentionRecord.Of<PairAttention<NarrowPairTile>>("attention_bf16_vector128", true, ActivationPrecision.Float32, "managed vectors of 128 bits, everywhere", _ => null),
        AttentionRecord.Of<PlainAttention>("attention_f32_vector512", false, ActivationPrecision.Float32, "caches in float32, everywhere", _ => null),
    ];

    /// <summary>The record for a cache.</summary>
    public AttentionRecord For(KvLayout layout) => layout.InPairs ? _pairs : _plain;

    /// <summary>The records for a cache before the one that is taken, each with why it was passed by.</summary>
    public IReadOnlyList<string> Passed(KvLayout layout) =>
        [.. All.Where(record => record.InPairs == layout.InPairs).TakeWhile(record => record != For(layout)).Select(record => $"{record.Name} {_whyNot(record)}")];

    /// <inheritdoc/>
    public override string ToString() => $"{_pairs.Name}, {_plain.Name}";
}
