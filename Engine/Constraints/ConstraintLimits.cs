using System.Numerics;

namespace Llama4Kernels.Engine.Constraints;

/// <summary>
/// What one constraint may cost. A schema, expression or grammar beyond a limit is refused with a
/// <see cref="Llama4Exception"/> that names the limit. A value
/// out of range throws <see cref="ArgumentException"/> where it is set, so an instance is always valid.
/// </summary>
internal sealed record ConstraintLimits
{
    /// <summary>The defaults.</summary>
    public static ConstraintLimits Default { get; } = new();

    /// <summary>Characters of a schema, expression or grammar.</summary>
    public int MaxSourceLength { get; init => field = NotNegative(value, nameof(MaxSourceLength)); } = 4 << 20;

    /// <summary>Levels of nesting in a schema or expression.</summary>
    public int MaxDepth { get; init => field = NotNegative(value, nameof(MaxDepth)); } = 256;

    /// <summary>The largest number that a repeat count, length or item count may be, but for upper bounds, which may be any.</summary>
    public int MaxRepeat { get; init => field = NotNegative(value, nameof(MaxRepeat)); } = 100_000;

    /// <summary>States of all automata of a constraint together while it compiles.</summary>
    public int MaxStates { get; init => field = NotNegative(value, nameof(MaxStates)); } = 200_000;

    /// <summary>Alternatives that a schema falls into, all places together.</summary>
    public int MaxAlternatives { get; init => field = NotNegative(value, nameof(MaxAlternatives)); } = 60_000;

    /// <summary>Expressions that regular expressions fall into while their automata are made, all together.</summary>
    public int MaxExpressions { get; init => field = NotNegative(value, nameof(MaxExpressions)); } = 400_000;

    /// <summary>Time to compile. The numbers above stop what multiplies sooner, on a slow machine as on a fast one.</summary>
    public TimeSpan MaxCompileTime { get; init => field = AboveZero(value, nameof(MaxCompileTime)); } = TimeSpan.FromSeconds(5);

    /// <summary>Bytes that compiling may allocate, those included that it gives back on the way.</summary>
    public long MaxCompileBytes { get; init => field = NotNegative(value, nameof(MaxCompileBytes)); } = 256L << 20;

    /// <summary>States that a constraint remembers between tokens; beyond them it forgets and computes again.</summary>
    public int MaxCachedStates { get; init => field = NotNegative(value, nameof(MaxCachedStates)); } = 50_000;

    /// <summary>Bytes that a constraint remembers between tokens; beyond them it forgets and computes again.</summary>
    public long MaxCachedBytes { get; init => field = NotNegative(value, nameof(MaxCachedBytes)); } = 64L << 20;

    /// <summary>Compiled constraints that a compiler keeps for the next request with the same source.</summary>
    public int MaxKeptConstraints { get; init => field = NotNegative(value, nameof(MaxKeptConstraints)); } = 64;

    /// <summary>Bytes that the constraints which a compiler keeps may remember together.</summary>
    public long MaxKeptBytes { get; init => field = NotNegative(value, nameof(MaxKeptBytes)); } = 128L << 20;

    private static T NotNegative<T>(T value, string name)
        where T : struct, INumber<T> =>
        value >= T.Zero ? value : throw new ArgumentException($"{name} must be 0 or more, not {value}.", name);

    private static TimeSpan AboveZero(TimeSpan value, string name) =>
        value > TimeSpan.Zero ? value : throw new ArgumentException($"{name} must be more than zero, not {value}.", name);
}
