namespace Llama4Kernels.Engine.Constraints;

/// <summary>
/// What one constraint may cost. A schema, expression or grammar beyond a limit is refused with a
/// <see cref="ConstraintException"/> that names the limit.
/// </summary>
public sealed record ConstraintLimits
{
    /// <summary>The defaults.</summary>
    public static ConstraintLimits Default { get; } = new();

    /// <summary>Characters of a schema, expression or grammar.</summary>
    public int MaxSourceLength { get; init; } = 4 << 20;

    /// <summary>Levels of nesting in a schema or expression.</summary>
    public int MaxDepth { get; init; } = 256;

    /// <summary>The largest number that a repeat count, length or item count may be, but for upper bounds, which may be any.</summary>
    public int MaxRepeat { get; init; } = 100_000;

    /// <summary>States of all automata of a constraint together while it compiles.</summary>
    public int MaxStates { get; init; } = 200_000;

    /// <summary>Alternatives that a schema falls into, all places together.</summary>
    public int MaxAlternatives { get; init; } = 60_000;

    /// <summary>Expressions that regular expressions fall into while their automata are made, all together.</summary>
    public int MaxExpressions { get; init; } = 400_000;

    /// <summary>Time to compile. The numbers above stop what multiplies sooner, on a slow machine as on a fast one.</summary>
    public TimeSpan MaxCompileTime { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Bytes that compiling may allocate, those included that it gives back on the way.</summary>
    public long MaxCompileBytes { get; init; } = 256L << 20;

    /// <summary>States that a constraint remembers between tokens; beyond them it forgets and computes again.</summary>
    public int MaxCachedStates { get; init; } = 50_000;

    /// <summary>Bytes that a constraint remembers between tokens; beyond them it forgets and computes again.</summary>
    public long MaxCachedBytes { get; init; } = 64L << 20;

    /// <summary>Compiled constraints that a compiler keeps for the next request with the same source.</summary>
    public int MaxKeptConstraints { get; init; } = 64;

    /// <summary>Bytes that the constraints which a compiler keeps may remember together.</summary>
    public long MaxKeptBytes { get; init; } = 128L << 20;
}
