namespace Llama4Kernels.Engine.Constraints.JsonSchema;

/// <summary>What one keyword says. A schema is all its clauses together.</summary>
/// <param name="Keyword">The keyword, for errors.</param>
internal abstract record Clause(string Keyword)
{
    /// <summary>Adds the condition.</summary>
    public abstract void Assert(Conjunct conjunct);

    /// <summary>The ways not to meet it.</summary>
    public abstract IEnumerable<Option> Negation();

    /// <summary>Whether it holds for no value but of these types; an estimate from above.</summary>
    public virtual TypeSet Types => TypeSet.All;

    /// <summary>Whether it is plain that a conjunct says as much; not always found.</summary>
    /// <param name="conjunct">The conjunct.</param>
    /// <param name="holds">Whether a literal holds for all of its values.</param>
    public virtual bool IsImplied(Conjunct conjunct, Func<int, bool> holds) => false;

    /// <summary>The types of a value.</summary>
    /// <param name="Allowed">The types.</param>
    /// <param name="Numbers">What makes a number an integer, where only those are meant; else null.</param>
    public sealed record Type(TypeSet Allowed, NumberTest? Numbers) : Clause("type")
    {
        public override TypeSet Types => Allowed;

        public override bool IsImplied(Conjunct conjunct, Func<int, bool> holds) => (conjunct.Types & ~Allowed) == 0
            && (Numbers is null || (conjunct.Types & TypeSet.Number) == 0 || conjunct.Numbers.Contains(Numbers));

        public override void Assert(Conjunct conjunct)
        {
            conjunct.Restrict(Allowed);
            if (Numbers is not null)
            {
                conjunct.Numbers.Add(Numbers);
            }
        }

        public override IEnumerable<Option> Negation()
        {
            yield return new Option(~Allowed & TypeSet.All);
            if (Numbers is not null)
            {
                yield return new Option(TypeSet.Number, conjunct => conjunct.Numbers.Add(Numbers.Opposite()));
            }
        }
    }

    /// <summary>Some values: simple ones, and literals for arrays and objects.</summary>
    public sealed record Values(string Name, TypeSet Simple, string[] Texts, string[] Numbers, int[] Arrays, int[] Objects) : Clause(Name)
    {
        private readonly TextTest _text = new(TextTestKind.OneOf, string.Empty, Texts);
        private readonly NumberTest _number = new(NumberTestKind.OneOf, string.Join(' ', Numbers));

        public override TypeSet Types => Simple
            | (Texts.Length > 0 ? TypeSet.String : 0) | (Numbers.Length > 0 ? TypeSet.Number : 0)
            | (Arrays.Length > 0 ? TypeSet.Array : 0) | (Objects.Length > 0 ? TypeSet.Object : 0);

        public override void Assert(Conjunct conjunct)
        {
            conjunct.Restrict(Types);
            if (Texts.Length > 0)
            {
                conjunct.Texts.Add(_text);
            }
            if (Numbers.Length > 0)
            {
                conjunct.Numbers.Add(_number);
            }
            if (Arrays.Length + Objects.Length > 0)
            {
                conjunct.Choose([
                    new Option(~(TypeSet.Array | TypeSet.Object) & TypeSet.All),
                    .. Arrays.Select(value => new Option(TypeSet.Array) { Literals = [value] }),
                    .. Objects.Select(value => new Option(TypeSet.Object) { Literals = [value] })]);
            }
        }

        public override IEnumerable<Option> Negation()
        {
            yield return new Option(~Types & TypeSet.All);
            if (Texts.Length > 0)
            {
                yield return new Option(TypeSet.String, conjunct => conjunct.Texts.Add(_text.Opposite()));
            }
            if (Numbers.Length > 0)
            {
                yield return new Option(TypeSet.Number, conjunct => conjunct.Numbers.Add(_number.Opposite()));
            }
            foreach ((TypeSet type, int[] values) in ((TypeSet, int[])[])[(TypeSet.Array, Arrays), (TypeSet.Object, Objects)])
            {
                if (values.Length > 0)
                {
                    yield return new Option(type) { Literals = [.. values.Select(value => value ^ 1)] };
                }
            }
        }
    }

    /// <summary>Another schema holds.</summary>
    public sealed record Demand(string Name, int Literal) : Clause(Name)
    {
        public override bool IsImplied(Conjunct conjunct, Func<int, bool> holds) => holds(Literal);

        public override void Assert(Conjunct conjunct) => conjunct.Demand(Literal);

        public override IEnumerable<Option> Negation() => [new Option(TypeSet.All) { Literals = [Literal ^ 1] }];
    }

    /// <summary>Some of these hold.</summary>
    public sealed record AnyOf(int[] Literals, Func<int, TypeSet> TypesOf) : Clause("anyOf")
    {
        public override bool IsImplied(Conjunct conjunct, Func<int, bool> holds) => Array.Exists(Literals, literal => holds(literal));

        public override void Assert(Conjunct conjunct) => conjunct.Choose(
            [.. Literals.Select(literal => new Option(TypesOf(literal)) { Literals = [literal] })]);

        public override IEnumerable<Option> Negation() =>
            [new Option(TypeSet.All) { Literals = [.. Literals.Select(literal => literal ^ 1)] }];
    }

    /// <summary>Exactly one of these holds.</summary>
    public sealed record OneOf(int[] Literals, Func<int, TypeSet> TypesOf, Func<int, int, bool> Disjoint) : Clause("oneOf")
    {
        public override void Assert(Conjunct conjunct) => conjunct.Choose(
            [.. Literals.Select((chosen, index) => new Option(TypesOf(chosen))
            {
                Literals = [chosen, .. Literals.Where((other, at) => at != index && !Disjoint(chosen, other)).Select(other => other ^ 1)],
            })]);

        public override IEnumerable<Option> Negation()
        {
            yield return new Option(TypeSet.All) { Literals = [.. Literals.Select(literal => literal ^ 1)] };
            for (int first = 0; first < Literals.Length; first++)
            {
                for (int second = first + 1; second < Literals.Length; second++)
                {
                    (int a, int b) = (Literals[first], Literals[second]);
                    if (!Disjoint(a, b))
                    {
                        yield return new Option(TypesOf(a) & TypesOf(b)) { Literals = [a, b] };
                    }
                }
            }
        }
    }

    /// <summary>If the first holds the second does, else the third.</summary>
    public sealed record Conditional(int If, int Then, int Else) : Clause("if")
    {
        public override void Assert(Conjunct conjunct) => conjunct.Choose([Both(If, Then), Both(If ^ 1, Else)]);

        public override IEnumerable<Option> Negation() => [Both(If, Then ^ 1), Both(If ^ 1, Else ^ 1)];

        private static Option Both(int first, int second) => new(TypeSet.All) { Literals = [first, second] };
    }

    /// <summary>A condition on numbers.</summary>
    public sealed record Number(string Name, NumberTest Test) : Clause(Name)
    {
        public override bool IsImplied(Conjunct conjunct, Func<int, bool> holds) =>
            (conjunct.Types & TypeSet.Number) == 0 || conjunct.Numbers.Contains(Test);

        public override void Assert(Conjunct conjunct) => conjunct.Numbers.Add(Test);

        public override IEnumerable<Option> Negation() =>
            [new Option(TypeSet.Number, conjunct => conjunct.Numbers.Add(Test.Opposite()))];
    }

    /// <summary>A condition on strings.</summary>
    public sealed record Text(string Name, TextTest Test) : Clause(Name)
    {
        public override bool IsImplied(Conjunct conjunct, Func<int, bool> holds) =>
            (conjunct.Types & TypeSet.String) == 0 || conjunct.Texts.Contains(Test);

        public override void Assert(Conjunct conjunct) => conjunct.Texts.Add(Test);

        public override IEnumerable<Option> Negation() =>
            [new Option(TypeSet.String, conjunct => conjunct.Texts.Add(Test.Opposite()))];
    }

    /// <summary>Bounds of a length or count.</summary>
    public sealed record Count(string Name, TypeSet Kind, Action<Conjunct, int, int> Limit, int Min, int Max) : Clause(Name)
    {
        public override void Assert(Conjunct conjunct) => Limit(conjunct, Min, Max);

        public override IEnumerable<Option> Negation()
        {
            if (Min > 0)
            {
                yield return new Option(Kind, conjunct => Limit(conjunct, 0, Min - 1));
            }
            if (Max < int.MaxValue)
            {
                yield return new Option(Kind, conjunct => Limit(conjunct, Max + 1, int.MaxValue));
            }
        }
    }
}
