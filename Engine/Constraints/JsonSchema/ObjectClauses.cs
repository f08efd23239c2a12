namespace Llama4Kernels.Engine.Constraints.JsonSchema;

/// <summary>The clauses about objects.</summary>
internal static class ObjectClauses
{
    /// <summary>What the values of properties are.</summary>
    public sealed record Properties(string Name, ObjectPart Part) : Clause(Name)
    {
        public override void Assert(Conjunct conjunct) => conjunct.ObjectParts.Add(Part);

        public override IEnumerable<Option> Negation()
        {
            foreach ((string name, int literal) in Part.Properties)
            {
                if (literal != SchemaLiterals.True)
                {
                    yield return new Option(TypeSet.Object) { Property = (name, literal ^ 1) };
                }
            }
            foreach ((string pattern, int literal) in Part.Patterns)
            {
                yield return Other(new PropertyDemand.Filter(Pattern: pattern), literal);
            }
            if (Part.Additional is int additional)
            {
                yield return Other(new PropertyDemand.Filter(AdditionalOf: Part), additional);
            }
        }

        private static Option Other(PropertyDemand.Filter names, int literal) =>
            new(TypeSet.Object, conjunct => conjunct.Demands.Add(
                new PropertyDemand(names, literal == SchemaLiterals.False ? null : literal ^ 1)));
    }

    /// <summary>Properties that must be there.</summary>
    public sealed record Required(string[] Names) : Clause("required")
    {
        public override bool IsImplied(Conjunct conjunct, Func<int, bool> holds) =>
            (conjunct.Types & TypeSet.Object) == 0 || Array.TrueForAll(Names, conjunct.Required.Contains);

        public override void Assert(Conjunct conjunct) => Array.ForEach(Names, conjunct.Require);

        public override IEnumerable<Option> Negation() =>
            Names.Select(name => new Option(TypeSet.Object) { Absent = [name] });
    }

    /// <summary>What the names of properties are.</summary>
    public sealed record Names(int Literal) : Clause("propertyNames")
    {
        public override void Assert(Conjunct conjunct) => conjunct.Names.Add(Literal);

        public override IEnumerable<Option> Negation() =>
            [new Option(TypeSet.Object, conjunct => conjunct.Demands.Add(new PropertyDemand(new PropertyDemand.Filter(NameLiteral: Literal ^ 1), null)))];
    }

    /// <summary>Where a property is, others must be and a schema holds.</summary>
    public sealed record Dependency(string Name, string Property, string[] Required, int? Literal) : Clause(Name)
    {
        public override void Assert(Conjunct conjunct) => conjunct.Choose([
            new Option(TypeSet.All) { Absent = [Property] },
            new Option(TypeSet.Object) { Present = [Property, .. Required], Literals = Literal is int literal ? [literal] : [] }]);

        public override IEnumerable<Option> Negation()
        {
            foreach (string name in Required)
            {
                yield return new Option(TypeSet.Object) { Present = [Property], Absent = [name] };
            }
            if (Literal is int literal)
            {
                yield return new Option(TypeSet.Object) { Present = [Property], Literals = [literal ^ 1] };
            }
        }
    }
}
