namespace Llama4Kernels.Engine.Constraints.JsonSchema;

/// <summary>The clauses about arrays.</summary>
internal static class ArrayClauses
{
    /// <summary>What the items are.</summary>
    public sealed record Items(ArrayPart Part) : Clause("items")
    {
        public override void Assert(Conjunct conjunct) => conjunct.ArrayParts.Add(Part);

        public override IEnumerable<Option> Negation()
        {
            for (int index = 0; index < Part.Prefix.Count; index++)
            {
                int at = index;
                yield return new Option(TypeSet.Array, conjunct =>
                {
                    // An empty prefix would leave the items before it free; here they are free, and this one is not what it should be.
                    conjunct.ArrayParts.Add(new ArrayPart([.. Enumerable.Repeat(SchemaLiterals.True, at), Part.Prefix[at] ^ 1], null));
                    conjunct.LimitItems(at + 1, int.MaxValue);
                });
            }
            if (Part.Rest is int rest)
            {
                yield return new Option(TypeSet.Array, conjunct => conjunct.Contains.Add(new ContainsDemand(rest ^ 1, Part.Prefix.Count, 1, int.MaxValue)));
            }
        }
    }

    /// <summary>Items that must be there.</summary>
    public sealed record Contains(int Literal, int Min, int Max) : Clause("contains")
    {
        public override void Assert(Conjunct conjunct)
        {
            if (Min > 0 || Max < int.MaxValue)
            {
                conjunct.Contains.Add(new ContainsDemand(Literal, 0, Min, Max));
            }
        }

        public override IEnumerable<Option> Negation()
        {
            if (Min > 0)
            {
                yield return new Option(TypeSet.Array, conjunct => conjunct.Contains.Add(new ContainsDemand(Literal, 0, 0, Min - 1)));
            }
            if (Max < int.MaxValue)
            {
                yield return new Option(TypeSet.Array, conjunct => conjunct.Contains.Add(new ContainsDemand(Literal, 0, Max + 1, int.MaxValue)));
            }
        }
    }

    /// <summary>No two items are equal.</summary>
    public sealed record Unique(Subschema Source) : Clause("uniqueItems")
    {
        public override void Assert(Conjunct conjunct) => conjunct.Unique ??= Source;

        public override IEnumerable<Option> Negation() =>
            [new Option(TypeSet.Array, _ => throw Source.Error("uniqueItems", "its opposite (equal items) is not supported."))];
    }
}
