using Llama4Kernels.Engine.Constraints;

namespace Llama4Kernels.Tests.Engine.Constraints;

/// <summary>
/// Alternatives that contradict what is known, or that it implies, are not looked at: schemas of many choices fall into few alternatives
/// and keep their meaning.
/// </summary>
public class AlternativeTests
{
    private const int Kinds = 10;

    /// <summary>Each kind has a property of its own, with a value like the kind's number.</summary>
    public static TheoryData<string, string> Tagged { get; } = new()
    {
        { "oneOf told by a tag that is required", $$"""{"type":"object","required":["kind"],"oneOf":[{{Each(Branch)}}]}""" },
        { "conditions on a tag", $$"""{ {{Kind()}},"required":["kind"],"allOf":[{{Each(i => Condition(i, string.Empty))}}]}""" },
        { "conditions on a tag that may be missing", $$"""{ {{Kind()}},"allOf":[{"required":["kind"]},{{Each(i => Condition(i, ",\"required\":[\"kind\"]"))}}]}""" },
    };

    [Theory]
    [MemberData(nameof(Tagged))]
    public void TaggedAlternativesDoNotMultiply(string name, string schema)
    {
        Assert.NotEmpty(name);
        ITokenConstraint constraint = Compile(schema, 600);
        Assert.True(ConstraintChecks.Accepts(constraint, """{"kind":"k3","p3":3}"""));
        Assert.True(ConstraintChecks.Accepts(constraint, """{"kind":"k0"}"""));
        Assert.False(ConstraintChecks.Accepts(constraint, """{"kind":"k3","p3":4}"""));
        Assert.False(ConstraintChecks.Accepts(constraint, """{"kind":"k10"}"""));
        Assert.False(ConstraintChecks.Accepts(constraint, "{}"));
    }

    [Fact]
    public void ChoicesThatAreMadeAlreadyAreNotMadeAgain()
    {
        const string choice = """{"anyOf":[{"$ref":"#/$defs/a"},{"$ref":"#/$defs/b"},{"required":["c"]}]}""";
        ITokenConstraint constraint = Compile(
            $$$"""{"type":"object","allOf":[{{{string.Join(',', Enumerable.Repeat(choice, 16))}}}],"$defs":{"a":{"required":["a"]},"b":{"required":["b"]} } }""", 200);
        Assert.True(ConstraintChecks.Accepts(constraint, """{"c":1}"""));
        Assert.True(ConstraintChecks.Accepts(constraint, """{"a":1,"b":2}"""));
        Assert.False(ConstraintChecks.Accepts(constraint, """{"d":1}"""));
    }

    [Fact]
    public void DependenciesOfWhatIsThereAreNoChoice()
    {
        string names = string.Join(',', Enumerable.Range(0, 18).Select(i => $"\"d{i}\""));
        string dependencies = string.Join(',', Enumerable.Range(0, 18).Select(i => $$"""{"dependencies":{"d{{i}}":["e"]} }"""));
        ITokenConstraint constraint = Compile($$"""{"type":"object","required":[{{names}}],"properties":{"e":{"const":1} },"allOf":[{{dependencies}}]}""", 200);
        string all = string.Join(',', Enumerable.Range(0, 18).Select(i => $"\"d{i}\":0"));
        Assert.True(ConstraintChecks.Accepts(constraint, "{\"e\":1," + all + "}"));
        Assert.False(ConstraintChecks.Accepts(constraint, "{" + all + "}"));
    }

    /// <summary>What looks like a contradiction is none where the property may be missing, or another type is possible.</summary>
    [Fact]
    public void ContradictionsBindOnlyObjectsThatHaveTheProperty()
    {
        const string both = """{"allOf":[{"properties":{"x":{"enum":["a","b"]}}},{"properties":{"x":{"enum":["c"]}}}]}""";
        ConstraintChecks.CheckAll(both, """{}|{"y":1}|[1]|"x" """.TrimEnd(), """{"x":"a"}|{"x":"c"}""");
        ConstraintChecks.CheckAll(both.Replace("{\"allOf\"", "{\"required\":[\"x\"],\"allOf\"", StringComparison.Ordinal), "[1]|null", """{}|{"x":"a"}|{"x":"c"}""");
        // 1 and 1.0 are one number, and a string is no number.
        ConstraintChecks.CheckAll(
            """{"type":"object","required":["x"],"properties":{"x":{"enum":[1,"1"]}},"not":{"required":["x"],"properties":{"x":{"enum":[1.0]}}}}""",
            """{"x":"1"}""", """{"x":1}|{"x":1.0}""");
        // An option that holds for some of the values only is still a choice.
        ConstraintChecks.CheckAll(
            """{"type":"object","required":["x"],"properties":{"x":{"enum":["a","b"]}},"anyOf":[{"properties":{"x":{"const":"a"}}},{"required":["z"]}]}""",
            """{"x":"a"}|{"x":"b","z":0}""", """{"x":"b"}""");
    }

    private static string Each(Func<int, string> make) => string.Join(',', Enumerable.Range(0, Kinds).Select(make));

    private static string Kind() => $$"""
        "type":"object","properties":{"kind":{"enum":[{{Each(i => $"\"k{i}\"")}}]} }
        """;

    private static string Own(int i) => $$"""
        "p{{i}}":{"const":{{i}} }
        """;

    private static string Branch(int i) => $$"""{"properties":{"kind":{"enum":["k{{i}}"]},{{Own(i)}} } }""";

    private static string Condition(int i, string more) =>
        $$"""{"if":{"properties":{"kind":{"const":"k{{i}}"} }{{more}} },"then":{"properties":{ {{Own(i)}} } } }""";

    private static ITokenConstraint Compile(string schema, int alternatives) =>
        new ConstraintCompiler(ConstraintChecks.Tokenizer, new ConstraintLimits { MaxAlternatives = alternatives }).JsonSchema(schema);
}
