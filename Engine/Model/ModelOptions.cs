using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Engine.Model;

/// <summary>What weights become on loading: those of mixture layers, unless <see cref="ModelOptions.Include"/> names others. The rest stays as stored.</summary>
public enum WeightScheme
{
    /// <summary>As stored: bfloat16 and FP8 stay, all else becomes float32. Activations are not quantised.</summary>
    Stored,

    /// <summary>Routed and shared experts of every mixture layer in int4, a scale per 128 inputs (Meta's int4_mixed).</summary>
    Int4,

    /// <summary>
    /// Routed experts of mixture layers other than the model's first and last layer in FP8, activations quantised per token
    /// (Meta's fp8_mixed). Experts stored in FP8 keep their codes, on every layer.
    /// </summary>
    Fp8,

    /// <summary>Routed and shared experts of every mixture layer in integers of eight bits, a half as scale per 32 inputs (llama.cpp's Q8_0).</summary>
    Int8,
}

/// <summary>Linear weights of the text model by what they are of. Routers are in none: they stay as stored.</summary>
[Flags]
public enum LinearParts
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>Routed experts.</summary>
    Experts = 1,

    /// <summary>The shared expert of mixture layers.</summary>
    Shared = 2,

    /// <summary>Query, key, value and output projections.</summary>
    Attention = 4,

    /// <summary>The feed-forward blocks of layers without experts.</summary>
    Dense = 8,

    /// <summary>The output head.</summary>
    Head = 16,

    /// <summary>All of them.</summary>
    All = Experts | Shared | Attention | Dense | Head,
}

/// <summary>
/// How a model is loaded. A value out of range throws <see cref="ArgumentException"/> where it is set, so an instance is always valid.
/// </summary>
public sealed record ModelOptions
{
    /// <summary>
    /// How far products may round activations; what is cached is bfloat16 unless it is <see cref="ActivationPrecision.Float32"/>. Null:
    /// exact (float32) for a model that is loaded by itself, for measuring and comparing; for an engine, whose answers people read,
    /// as far as the weights do already: int8 operands with weights that are integers, bfloat16 with others. With <see cref="CreateBackend"/>
    /// null takes what the backend was made for.
    /// </summary>
    public ActivationPrecision? Activations
    {
        get;
        init => field = value is { } activations ? Known(activations, nameof(Activations)) : null;
    }

    /// <summary><see cref="Activations"/> of a model by itself.</summary>
    internal ActivationPrecision Precision => Activations ?? ActivationPrecision.Float32;

    /// <summary>What the experts' weights become.</summary>
    public WeightScheme Weights
    {
        get;
        init => field = Known(value, nameof(Weights));
    } = WeightScheme.Stored;

    /// <summary>
    /// The weights that <see cref="Weights"/> is for; null as Meta has it: int4, and int8, for <see cref="LinearParts.Experts"/> and
    /// <see cref="LinearParts.Shared"/>, FP8 for <see cref="LinearParts.Experts"/>.
    /// </summary>
    public LinearParts? Include
    {
        get;
        init => field = (value & ~LinearParts.All) is null or LinearParts.None ? value : throw new ArgumentException($"{nameof(Include)} has parts that are none of {string.Join(", ", Enum.GetNames<LinearParts>())}.", nameof(Include));
    }

    /// <summary>The weights that <see cref="Weights"/> brings into its format.</summary>
    internal LinearParts Included => Weights switch
    {
        WeightScheme.Int4 or WeightScheme.Int8 => Include ?? (LinearParts.Experts | LinearParts.Shared),
        WeightScheme.Fp8 => Include ?? LinearParts.Experts,
        _ => LinearParts.None,
    };

    /// <summary>Threads of the CPU backend that the model makes itself; 0 = one per physical core that the process may use. Not with <see cref="CreateBackend"/>.</summary>
    public int Threads
    {
        get;
        init => field = value is >= 0 and <= ThreadTeam.MaxThreads
            ? value
            : throw new ArgumentException($"{nameof(Threads)} must be in [0, {ThreadTeam.MaxThreads}], not {value}.", nameof(Threads));
    }

    /// <summary>
    /// Makes the backend to run on, for the same <see cref="Activations"/> if they are set, which the model then owns; null for the CPU. Called once the checkpoint was found sound.
    /// </summary>
    public Func<IBackend>? CreateBackend { get; init; }

    /// <summary>
    /// The vision projector's file of a GGUF model; null looks for one beside the model, whose name contains "mmproj".
    /// </summary>
    public string? Projector { get; init; }

    /// <summary>Refuse a checkpoint without tokenizer, before its weights are packed.</summary>
    public bool NeedsTokenizer { get; init; }

    /// <summary>Load the vision tower where the checkpoint has one; false saves its memory.</summary>
    public bool LoadVision { get; init; } = true;

    private static T Known<T>(T value, string name)
        where T : struct, Enum =>
        Enum.IsDefined(value) ? value : throw new ArgumentException($"{name} is none of {string.Join(", ", Enum.GetNames<T>())}.", name);
}
