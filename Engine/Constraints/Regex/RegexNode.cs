using Llama4Kernels.Engine.Constraints.Lexing;

namespace Llama4Kernels.Engine.Constraints.Regex;

/// <summary>An expression over code points. Equal expressions of one <see cref="RegexAlgebra"/> are one object.</summary>
internal sealed class RegexNode(
    int id, RegexKind kind, RegexNode[] children, CodePointSet set, int min, int max, bool hasAssertions,
    bool isNullable)
{
    public const int Unbounded = int.MaxValue;

    public int Id => id;

    public RegexKind Kind => kind;

    public RegexNode[] Children => children;

    public CodePointSet Set => set;

    public int Min => min;

    public int Max => max;

    /// <summary>For <see cref="RegexKind.Rounds"/> the child, or one round and then this again.</summary>
    public RegexNode? Unrolled { get; set; }

    /// <summary>Whether the empty text belongs to it; where there are assertions, without regard to them.</summary>
    public bool IsNullable => isNullable;

    /// <summary>Whether an anchor or word boundary stands somewhere in it.</summary>
    public bool HasAssertions => hasAssertions;
}
