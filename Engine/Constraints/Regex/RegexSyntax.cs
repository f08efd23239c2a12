using Llama4Kernels.Engine.Constraints.Lexing;

namespace Llama4Kernels.Engine.Constraints.Regex;

/// <summary>A parsed expression, before what looks around itself is resolved against what follows.</summary>
internal abstract record RegexSyntax
{
    /// <summary>Whether it looks at the text around it, so that it cannot be compiled without its continuation.</summary>
    public abstract bool LooksAround { get; }

    /// <summary>The texts of this followed by those of <paramref name="rest"/>, which reaches to the end of the whole text.</summary>
    public abstract RegexNode Before(RegexNode rest, RegexAlgebra algebra);

    /// <summary>An expression without structure of its own.</summary>
    public sealed record Leaf(RegexNode Node) : RegexSyntax
    {
        public override bool LooksAround => Node.HasAssertions;

        public override RegexNode Before(RegexNode rest, RegexAlgebra algebra) =>
            Node == algebra.End && (rest == algebra.Anything || rest == algebra.Empty) ? algebra.Empty : algebra.Concat(Node, rest);
    }

    /// <summary>One after the other.</summary>
    public sealed record Sequence(IReadOnlyList<RegexSyntax> Parts) : RegexSyntax
    {
        public override bool LooksAround => Parts.Any(part => part.LooksAround);

        public override RegexNode Before(RegexNode rest, RegexAlgebra algebra) =>
            Parts.Reverse().Aggregate(rest, (following, part) => part.Before(following, algebra));
    }

    /// <summary>Any of them.</summary>
    public sealed record Alternatives(IReadOnlyList<RegexSyntax> Parts) : RegexSyntax
    {
        public override bool LooksAround => Parts.Any(part => part.LooksAround);

        public override RegexNode Before(RegexNode rest, RegexAlgebra algebra) => LooksAround
            ? algebra.Or(Parts.Select(part => part.Before(rest, algebra)))
            : algebra.Concat(algebra.Or(Parts.Select(part => part.Before(algebra.Empty, algebra))), rest);
    }

    /// <summary>Several times.</summary>
    public sealed record Repeat(RegexSyntax Part, int Min, int Max, string Place) : RegexSyntax
    {
        private const int MaxUnrolled = 256;

        public override bool LooksAround => Part.LooksAround;

        public override RegexNode Before(RegexNode rest, RegexAlgebra algebra)
        {
            if (!LooksAround)
            {
                return algebra.Concat(algebra.Loop(Part.Before(algebra.Empty, algebra), Min, Max), rest);
            }
            if (Part is Look look)
            {
                return Min == 0 ? rest : look.Before(rest, algebra);
            }
            if (Max == RegexNode.Unbounded && !ContainsLook(Part))
            {
                // Anchors in an unbounded loop are judged where each round stands.
                return algebra.Concat(algebra.Loop(Plain(Part, algebra), Min, Max), rest);
            }
            int unrolled = Max == RegexNode.Unbounded ? Min : Max;
            if (unrolled > MaxUnrolled)
            {
                throw new ConstraintException(
                    "lookahead", Place, $"inside a repeat of more than {MaxUnrolled} times it is not supported; move it out of the repeat.");
            }
            RegexNode result = Max == RegexNode.Unbounded ? Rounds(rest, algebra) : rest;
            for (int round = unrolled; round > 0; round--)
            {
                RegexNode once = Part.Before(result, algebra);
                result = round > Min ? algebra.Or(rest, once) : once;
            }
            return result;
        }

        private RegexNode Rounds(RegexNode rest, RegexAlgebra algebra)
        {
            // An anchor shows where something must follow; in what looks ahead it stands at the end.
            bool hasAnchors = Part.Before(algebra.Set(CodePointSet.All), algebra).HasAssertions;
            return !hasAnchors && !MayBeEmpty(Part) ? algebra.Rounds(Part, rest)
                : throw new ConstraintException(
                    "lookahead", Place, "beside anchors, or in what may be empty, it is not supported inside a repeat without bound; move it out of the repeat.");
        }
    }

    /// <summary>What follows matches, or does not.</summary>
    public sealed record Look(RegexSyntax Part, bool Negative) : RegexSyntax
    {
        public override bool LooksAround => true;

        public override RegexNode Before(RegexNode rest, RegexAlgebra algebra)
        {
            RegexNode ahead = Part.Before(algebra.Anything, algebra);
            return algebra.And(Negative ? algebra.Not(ahead) : ahead, rest);
        }
    }

    private static bool ContainsLook(RegexSyntax syntax) => syntax switch
    {
        Look => true,
        Sequence sequence => sequence.Parts.Any(ContainsLook),
        Alternatives alternatives => alternatives.Parts.Any(ContainsLook),
        Repeat repeat => ContainsLook(repeat.Part),
        _ => false,
    };

    private static bool MayBeEmpty(RegexSyntax syntax) => syntax switch
    {
        Leaf leaf => leaf.Node.IsNullable || leaf.Node.HasAssertions,
        Sequence sequence => sequence.Parts.All(MayBeEmpty),
        Alternatives alternatives => alternatives.Parts.Any(MayBeEmpty),
        Repeat repeat => repeat.Min == 0 || MayBeEmpty(repeat.Part),
        _ => true,
    };

    private static RegexNode Plain(RegexSyntax syntax, RegexAlgebra algebra) => syntax switch
    {
        Leaf leaf => leaf.Node,
        Sequence sequence => sequence.Parts.Reverse().Aggregate(
            algebra.Empty, (following, part) => algebra.Concat(Plain(part, algebra), following)),
        Alternatives alternatives => algebra.Or(alternatives.Parts.Select(part => Plain(part, algebra))),
        Repeat repeat => algebra.Loop(Plain(repeat.Part, algebra), repeat.Min, repeat.Max),
        _ => throw new InvalidOperationException("A lookahead has no plain form."),
    };
}
