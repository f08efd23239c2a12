using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Engine.Scheduling;

/// <summary>
/// Sizes of what runs a model. A value out of range throws <see cref="ArgumentException"/> where it is set, so an instance is
/// always valid.
/// </summary>
public sealed record EngineOptions
{
    /// <summary>Tokens a sequence may hold, 1 or more; null or more than the checkpoint's max_position_embeddings: that.</summary>
    public int? MaxContext
    {
        get;
        init => field = AtLeastOne(value, nameof(MaxContext));
    }

    /// <summary>Most rows of one forward step, 1 or more: prompts are prefilled in pieces of this size; null: what suits the backend.</summary>
    public int? StepRows
    {
        get;
        init => field = AtLeastOne(value, nameof(StepRows));
    }

    /// <summary>
    /// Most rows of one step whose logits are computed, also the most sequences decoded together; 1 or more, and no more than
    /// <see cref="StepRows"/> are used; null: what suits the backend.
    /// </summary>
    public int? MaxLogitRows
    {
        get;
        init => field = AtLeastOne(value, nameof(MaxLogitRows));
    }

    /// <summary>Most positions of one block of the cache, 1 … 65,536: it has the largest divisor of the attention chunk that is no more, so that none straddles a chunk's edge.</summary>
    public int BlockTokens
    {
        get;
        init => field = value is >= 1 and <= 1 << 16 ? value : throw Invalid(nameof(BlockTokens), value, "in [1, 65536]");
    } = 64;

    /// <summary>Element type of cached keys and values; null: bfloat16 where activations are, else float32.</summary>
    public KvFormat? CacheFormat
    {
        get;
        init => field = value is null || Enum.IsDefined(value.Value) ? value : throw Invalid(nameof(CacheFormat), value, "a format that there is");
    }

    /// <summary>
    /// Bytes that all cached keys and values together may take, 1 or more; never more is used. Null: what one sequence of
    /// <see cref="MaxContext"/> tokens takes for each one that is decoded together, twice that where prefixes are kept, or a share
    /// of what is free if that is less.
    /// </summary>
    public long? CacheBytes
    {
        get;
        init => field = value is null or >= 1 ? value : throw Invalid(nameof(CacheBytes), value, "1 or more, or null");
    }

    /// <summary>Most requests that wait for their turn, 1 or more; another one is refused.</summary>
    public int MaxQueue
    {
        get;
        init => field = value >= 1 ? value : throw Invalid(nameof(MaxQueue), value, "1 or more");
    } = 1024;

    /// <summary>
    /// Most rows of a step in which sequences decode, 1 or more: what they leave is for pieces of prompts, of which there is always
    /// one row, so that it bounds how long a prompt may delay the next tokens of others. Rows are counted by their work: those late in a
    /// long context, which attend to more, as more than one each, up to four. Null: a quarter of <see cref="StepRows"/>.
    /// </summary>
    public int? StepTokens
    {
        get;
        init => field = AtLeastOne(value, nameof(StepTokens));
    }

    /// <summary>How many later requests of higher priority may begin before one that waits, 1 or more; then it is next.</summary>
    public int MaxOvertakes
    {
        get;
        init => field = value >= 1 ? value : throw Invalid(nameof(MaxOvertakes), value, "1 or more");
    } = 64;

    /// <summary>Whether what is cached of requests stays for others that begin like them, as long as nothing else needs the room.</summary>
    public bool KeepPrefixes { get; init; } = true;

    private static int? AtLeastOne(int? value, string name) => value is null or >= 1 ? value : throw Invalid(name, value, "1 or more, or null");

    private static ArgumentException Invalid(string name, object? value, string allowed) => new(FormattableString.Invariant($"{name} must be {allowed}, not {value}."), name);
}
