namespace Llama4Kernels.Kernels.Contracts;

/// <summary>
/// Where everything lies in a block of the cache: <paramref name="BlockTokens"/> consecutive positions of one sequence on
/// <paramref name="Layers"/> layers. The layers' parts follow each other. In a part component c of the key of head h in slot s
/// is element h·<see cref="HeadStride"/> + s·<see cref="KeyTokenStride"/> + c·<see cref="KeyDimStride"/>, and of the value
/// element <see cref="ValueOffset"/> + h·<see cref="HeadStride"/> + s·<see cref="ValueTokenStride"/> + c. In pairs it is element
/// h·<see cref="HeadStride"/> + <see cref="KeyPanels"/>.At(c, s) and h·<see cref="HeadStride"/> + <see cref="ValuePanels"/>.At(s, c):
/// a head's values follow its keys. Kernels read these numbers and have none of their own; a backend chooses the layout
/// (IBackend.LayoutOf). A number below 1 throws <see cref="ArgumentOutOfRangeException"/>.
/// </summary>
/// <param name="BlockTokens">Positions a block holds.</param>
/// <param name="Layers">Layers that a block spans.</param>
/// <param name="KvHeads">Key/value heads K.</param>
/// <param name="HeadDim">Head size d.</param>
/// <param name="Format">Element type.</param>
/// <param name="InPairs">Whether keys lie in pairs of components and values in pairs of slots; strides of single elements then throw <see cref="InvalidOperationException"/>.</param>
public sealed record KvLayout(int BlockTokens, int Layers, int KvHeads, int HeadDim, KvFormat Format, bool InPairs = false)
{
    /// <summary>What the parts of layers begin at a multiple of, in bytes.</summary>
    public const int Alignment = 256;

    /// <summary>Positions a block holds.</summary>
    public int BlockTokens { get; } = Positive(BlockTokens, nameof(BlockTokens));

    /// <summary>Layers that a block spans.</summary>
    public int Layers { get; } = Positive(Layers, nameof(Layers));

    /// <summary>Key/value heads K.</summary>
    public int KvHeads { get; } = Positive(KvHeads, nameof(KvHeads));

    /// <summary>Head size d.</summary>
    public int HeadDim { get; } = Positive(HeadDim, nameof(HeadDim));

    /// <summary>Bytes of one element.</summary>
    public int ElementBytes => Format.ElementBytes();

    /// <summary>Bytes of one layer's part.</summary>
    public long LayerBytes => ((KvHeads * (InPairs ? HeadStride : 2 * HeadStride) * ElementBytes) + Alignment - 1) & -Alignment;

    /// <summary>Bytes of a block.</summary>
    public long BlockBytes => Layers * LayerBytes;

    /// <summary>Elements from a head to the next, of keys and of values.</summary>
    public long HeadStride => InPairs ? KeyPanels.Elements + ValuePanels.Elements : (long)BlockTokens * HeadDim;

    /// <summary>Elements from a key to that of the next slot: a vector lane of scores is a position.</summary>
    public long KeyTokenStride => Single(1);

    /// <summary>Elements from a component of a key to the next.</summary>
    public long KeyDimStride => Single(BlockTokens);

    /// <summary>Elements from a part's start to the values.</summary>
    public long ValueOffset => Single(KvHeads * HeadStride);

    /// <summary>Elements from a value to that of the next slot; its components lie together.</summary>
    public long ValueTokenStride => Single(HeadDim);

    /// <summary>Where a head's keys lie in pairs.</summary>
    public KvPanels KeyPanels => new(0, (HeadDim + 1) & -2, (BlockTokens + 15) & -16);

    /// <summary>Where a head's values lie in pairs.</summary>
    public KvPanels ValuePanels => new(KeyPanels.Elements, (BlockTokens + 1) & -2, (HeadDim + 15) & -16);

    /// <summary>Blocks that hold so many positions.</summary>
    public int Blocks(int tokens) => (int)(((long)tokens + BlockTokens - 1) / BlockTokens);

    /// <inheritdoc/>
    public override string ToString() =>
        $"blocks of {BlockTokens} tokens, {Layers} layers, {KvHeads} key/value heads of {HeadDim}, {Format.Name()}{(InPairs ? " in pairs" : "")}";

    private long Single(long stride) => !InPairs ? stride : throw new InvalidOperationException("Elements that lie in pairs have no strides.");

    private static int Positive(int value, string name) => value > 0 ? value : throw new ArgumentOutOfRangeException(name, value, "A layout's numbers are 1 or more.");
}
