using System.Collections.Frozen;
using Llama4Kernels.Engine.Constraints;

namespace Llama4Kernels.Engine.Generation;

/// <summary>
/// How to generate. A value out of range throws <see cref="ArgumentException"/> where it is set, so an instance is always
/// valid. The defaults are those of the published generation code.
/// </summary>
public sealed record GenerationOptions
{
    /// <summary>The most alternatives that <see cref="TopLogprobs"/> may ask for.</summary>
    public const int MaxTopLogprobs = 20;

    /// <summary>Divides the logits before drawing; 0 takes the most likely token without drawing. At least 0.</summary>
    public float Temperature
    {
        get;
        init => field = value >= 0 && float.IsFinite(value) ? value : throw Invalid(nameof(Temperature), value, "a finite number of at least 0");
    } = 0.6f;

    /// <summary>Draws from the most likely tokens that together reach this probability; 1 for all. In (0, 1].</summary>
    public float TopP
    {
        get;
        init => field = value is > 0 and <= 1 ? value : throw Invalid(nameof(TopP), value, "in (0, 1]");
    } = 0.9f;

    /// <summary>Draws from this many of the most likely tokens; null for all. At least 1.</summary>
    public int? TopK
    {
        get;
        init => field = value is null or >= 1 ? value : throw Invalid(nameof(TopK), value, "at least 1, or null for no limit");
    }

    /// <summary>Drops tokens less likely than this share of the most likely one; null for none. In [0, 1].</summary>
    public float? MinP
    {
        get;
        init => field = value is null or (>= 0 and <= 1) ? value : throw Invalid(nameof(MinP), value, "in [0, 1], or null");
    }

    /// <summary>Divides positive and multiplies negative logits of tokens that occurred; 1 for none. Above 0.</summary>
    public float RepetitionPenalty
    {
        get;
        init => field = value > 0 && float.IsFinite(value) ? value : throw Invalid(nameof(RepetitionPenalty), value, "a finite number above 0");
    } = 1;

    /// <summary>Subtracted once from the logits of tokens that occurred; 0 for none.</summary>
    public float PresencePenalty
    {
        get;
        init => field = float.IsFinite(value) ? value : throw Invalid(nameof(PresencePenalty), value, "a finite number");
    }

    /// <summary>Subtracted from a token's logit for each of its occurrences; 0 for none.</summary>
    public float FrequencyPenalty
    {
        get;
        init => field = float.IsFinite(value) ? value : throw Invalid(nameof(FrequencyPenalty), value, "a finite number");
    }

    /// <summary>Added to the logits of these tokens before anything else changes them; empty for none. Each a finite number.</summary>
    public IReadOnlyDictionary<int, float> LogitBias
    {
        get;
        init
        {
            ArgumentNullException.ThrowIfNull(value, nameof(LogitBias));
            foreach ((int id, float bias) in value)
            {
                if (id < 0 || !float.IsFinite(bias))
                {
                    throw new ArgumentException(FormattableString.Invariant($"LogitBias must give ids of at least 0 finite numbers, not {id}: {bias}."), nameof(LogitBias));
                }
            }
            field = value.ToFrozenDictionary();
        }
    } = FrozenDictionary<int, float>.Empty;

    /// <summary>The same seed gives the same text, whatever else runs in the batch; null for a new one each time.</summary>
    public ulong? Seed { get; init; }

    /// <summary>The most tokens to generate, the terminator included; null up to the end of the context. At least 1.</summary>
    public int? MaxTokens
    {
        get;
        init => field = value is null or >= 1 ? value : throw Invalid(nameof(MaxTokens), value, "at least 1, or null for no limit");
    }

    /// <summary>Texts that end the generation; they are not part of its text. None may be empty.</summary>
    public IReadOnlyList<string> StopStrings
    {
        get;
        init
        {
            ArgumentNullException.ThrowIfNull(value, nameof(StopStrings));
            field = value.All(text => !string.IsNullOrEmpty(text))
                ? [.. value]
                : throw new ArgumentException("A stop string must not be empty.", nameof(StopStrings));
        }
    } = [];

    /// <summary>
    /// What the answer keeps to; null for anything. It decides before penalties, temperature and drawing, which see only the
    /// tokens that it allows, and it decides when a terminator is allowed. The generation goes on with a fork, so that the
    /// options serve again. An answer that a limit or a stop string cuts may be incomplete.
    /// </summary>
    public ITokenConstraint? Constraint { get; init; }

    /// <summary>Whether updates carry the log-probability of their token.</summary>
    public bool Logprobs { get; init; }

    /// <summary>How many of the most likely tokens a log-probability lists. In [0, <see cref="MaxTopLogprobs"/>].</summary>
    public int TopLogprobs
    {
        get;
        init => field = value is >= 0 and <= MaxTopLogprobs ? value : throw Invalid(nameof(TopLogprobs), value, $"in [0, {MaxTopLogprobs}]");
    }

    /// <summary>
    /// Goes on past the model's terminators, up to <see cref="MaxTokens"/> or to where a constraint lets nothing follow; for
    /// measurements.
    /// </summary>
    public bool IgnoreEos { get; init; }

    private static ArgumentException Invalid(string name, object? value, string allowed) =>
        new(FormattableString.Invariant($"{name} must be {allowed}, not {value}."), name);
}
