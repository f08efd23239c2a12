using System.Text.Json;
using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Constraints;

namespace Llama4Kernels.Tests.Engine.Constraints;

/// <summary>What cannot be kept to is refused with its keyword and a pointer to the schema that has it.</summary>
public class RefusalTests
{
    private static readonly string s_deep = string.Concat(Enumerable.Repeat("""{"properties":{"a":""", 200)) + "{}" + new string('}', 400);

    [Theory]
    [InlineData("""{"$defs":{"a b":{"unevaluatedProperties":false}},"properties":{"x":{"$ref":"#/$defs/a%20b"}}}""", "unevaluatedProperties", "#/$defs/a b")]
    [InlineData("""{"items":[{"unevaluatedItems":{"type":"string"}}]}""", "unevaluatedItems", "#/items/0")]
    [InlineData("""{"properties":{"a/~b":{"type":"string","not":{"format":"regex"}}}}""", null, "#/properties/a~1~0b")]
    [InlineData("""{"patternProperties":{"^x":{"type":"string","not":{"format":"idn-hostname"}}}}""", null, "#/patternProperties/^x")]
    [InlineData("""{"properties":{"a":{"$ref":"http://elsewhere/x.json"}}}""", "$ref", "#/properties/a")]
    [InlineData("""{"properties":{"a":{"$ref":"#/nowhere"}}}""", "$ref", "#/properties/a")]
    [InlineData("""{"properties":{"a":{"$ref":"#nowhere"}}}""", "$ref", "#/properties/a")]
    [InlineData("""{"allOf":[{},{"type":"text"}]}""", "type", "#/allOf/1")]
    [InlineData("""{"if":{"required":["a"]},"then":{"multipleOf":0}}""", "multipleOf", "#/then")]
    [InlineData("""{"properties":{"a":{"pattern":"("}}}""", "pattern", "#/properties/a")]
    [InlineData("""{"properties":{"a":{"pattern":"(a)\\1"}}}""", "pattern", "#/properties/a")]
    [InlineData("""{"not":{"items":{"minimum":"3"}}}""", "minimum", "#/not/items")]
    [InlineData("""{"properties":{"a":3}}""", "schema", "#/properties/a")]
    [InlineData("""{"anyOf":{"a":1}}""", "anyOf", "#")]
    [InlineData("""{"properties":{"a":{"minLength":-1}}}""", "minLength", "#/properties/a")]
    [InlineData("""{"properties":{"a":{"minLength":1000000}}}""", "minLength", "#/properties/a")]
    [InlineData("""{"properties":{"a":{"minLength":1.5}}}""", "minLength", "#/properties/a")]
    [InlineData("""{"properties":{"a":{"multipleOf":1.23456789}}}""", "multipleOf", "#/properties/a")]
    [InlineData("""{"properties":{"a":{"allOf":[{"contains":{"const":1}},{"contains":{"const":2}},{"contains":{"const":3}},{"contains":{"const":4}},{"contains":{"const":5}}]}}}""", null, "#/properties/a")]
    [InlineData("""{"properties":{"a":{"type":"object","allOf":[{"not":{"patternProperties":{"^1":false}}},{"not":{"patternProperties":{"^2":false}}},{"not":{"patternProperties":{"^3":false}}},{"not":{"patternProperties":{"^4":false}}},{"not":{"patternProperties":{"^5":false}}},{"not":{"patternProperties":{"^6":false}}},{"not":{"patternProperties":{"^7":false}}},{"not":{"patternProperties":{"^8":false}}},{"not":{"patternProperties":{"^9":false}}}]}}}""", null, "#/properties/a")]
    [InlineData("""{"items":{"not":{"uniqueItems":true}}}""", "uniqueItems", "#/items/not")]
    [InlineData("false", "schema", "#")]
    [InlineData("""{"type":"string","enum":[1]}""", "schema", "#")]
    [InlineData("""{"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"]}""", "schema", "#")]
    [InlineData("3", "schema", "#")]
    [InlineData("""{"properties":{"a":{"const":"\ud83d"}}}""", "schema", "#/properties/a/const")]
    [InlineData("""{"properties":{"a":{"required":["\ude00x"]}}}""", "schema", "#/properties/a/required/0")]
    [InlineData("""{"properties":{"b":{"properties":{"\ud83d":{}}}}}""", "schema", "#/properties/b/properties")]
    public void NamesTheKeywordAndItsPlace(string schema, string? keyword, string place)
    {
        ConstraintException error = Refusal(schema);
        Assert.StartsWith(place, error.Place, StringComparison.Ordinal);
        Assert.Equal(keyword ?? error.Keyword, error.Keyword);
        AssertLeadsTo(schema, error);
    }

    /// <summary>Schemas made to be hard fail by themselves, in the time that they may take, and the next one compiles.</summary>
    [Theory]
    [MemberData(nameof(Hostile))]
    public void AHostileSchemaFailsAloneAndInTime(string what, string schema)
    {
        // What all compilers share is made before the clock runs.
        ConstraintChecks.Compiler.JsonSchema("""{"type":"integer"}""");
        ConstraintCompiler compiler = new(ConstraintChecks.Tokenizer) { MaxCompileTime = TimeSpan.FromSeconds(1) };
        long start = Environment.TickCount64;
        try
        {
            ITokenConstraint state = compiler.JsonSchema(schema);
            state.Allow(new TokenMask(ConstraintChecks.Tokenizer.VocabularySize));
        }
        catch (ConstraintException error)
        {
            Assert.NotEqual(string.Empty, error.Keyword);
        }
        // The bound is one of the compiler's; what may pass here is that of a machine that is busy with other things.
        Assert.True(Environment.TickCount64 - start < 60_000, what);
        Assert.True(ConstraintChecks.Accepts(compiler.JsonSchema("""{"type":"integer"}"""), "12"));
    }

    public static TheoryData<string, string> Hostile() => new()
    {
        { "nests", s_deep },
        { "nests too deeply", string.Concat(Enumerable.Repeat("[", 100_000)) },
        { "a giant enum", $$"""{"enum":[{{string.Join(',', Enumerable.Range(0, 20_000).Select(i => $"\"value {i * 7919 % 20_000}\""))}}]}""" },
        { "a giant enum of objects", $"{{\"enum\":[{string.Join(',', Enumerable.Range(0, 3_000).Select(i => $"{{\"a\":{i},\"b\":[{i}]}}"))}]}}" },
        { "many properties", $"{{\"type\":\"object\",\"properties\":{{{string.Join(',', Enumerable.Range(0, 5_000).Select(i => $"\"p{i}\":{{\"type\":\"integer\"}}"))}}},\"minProperties\":4000}}" },
        { "choices of choices", $"{{\"allOf\":[{string.Join(',', Enumerable.Range(0, 24).Select(i => $"{{\"anyOf\":[{{\"required\":[\"a{i}\"]}},{{\"required\":[\"b{i}\"]}}]}}"))}]}}" },
        { "exactly one of many", $"{{\"oneOf\":[{string.Join(',', Enumerable.Range(0, 60).Select(i => $"{{\"properties\":{{\"p{i}\":{{\"minimum\":{i}}}}}}}"))}]}}" },
        { "conditions upon conditions", string.Concat(Enumerable.Range(0, 40).Select(i => $"{{\"if\":{{\"required\":[\"a{i}\"]}},\"then\":{{\"required\":[\"b{i}\"]}},\"else\":")) + "{}" + new string('}', 40) },
        { "a counter of counters", """{"pattern":"^((a{1,99}){1,99}){1,99}$"}""" },
        { "alternatives that overlap", """{"pattern":"(a|aa|aaa)*b(a|b){40}c"}""" },
        { "patterns together", $"{{\"allOf\":[{string.Join(',', Enumerable.Range(1, 12).Select(i => $"{{\"pattern\":\"a.{{{i * 3}}}b\"}}"))}]}}" },
        { "patterns of names", $"{{\"type\":\"object\",\"patternProperties\":{{{string.Join(',', Enumerable.Range(1, 40).Select(i => $"\"x.{{{i}}}y\":{{\"minimum\":{i}}}"))}}}}}" },
        { "references in a circle", """{"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/b"},"b":{"allOf":[{"$ref":"#/$defs/a"}]}}}""" },
        { "a contradiction in a circle", """{"$ref":"#/$defs/a","$defs":{"a":{"not":{"$ref":"#/$defs/a"}}}}""" },
        { "references that double", $"{{\"$ref\":\"#/$defs/d30\",\"$defs\":{{\"d0\":{{\"type\":\"integer\"}},{string.Join(',', Enumerable.Range(1, 30).Select(Doubled))}}}}}" },
        { "huge counts", """{"type":"array","minItems":99999,"items":{"type":"array","minItems":99999,"items":{"type":"string","minLength":99999}}}""" },
        { "huge numbers", """{"minimum":1e399,"maximum":-1e399,"multipleOf":1e-390}""" },
        { "unicode", """{"type":"object","properties":{"\ud83d\ude00":{"const":"\u0000\u2028\ufeff"},"\u202e":{}},"patternProperties":{"[\\u{1F600}-\\u{1F64F}]":{"pattern":"^\\p{L}+$"}},"required":["\u202e"]}""" },
        { "half a surrogate", """{"const":"\ud83d"}""" },
        { "different items", $$"""{"type":"array","uniqueItems":true,"items":{"enum":[{{string.Join(',', Enumerable.Range(0, 2_000))}}]},"minItems":2000}""" },
    };

    private static string Doubled(int i) =>
        $"\"d{i}\":{{\"anyOf\":[{{\"required\":[\"x{i}\"],\"allOf\":[{{\"$ref\":\"#/$defs/d{i - 1}\"}}]}},{{\"$ref\":\"#/$defs/d{i - 1}\"}}]}}";

    private static ConstraintException Refusal(string schema) =>
        Assert.Throws<ConstraintException>(() => ConstraintChecks.Compiler.JsonSchema(schema));

    // The place is the schema that has the keyword; "schema" stands for a schema as a whole.
    private static void AssertLeadsTo(string schema, ConstraintException error)
    {
        JsonElement at = JsonElement.Parse(schema);
        foreach (string part in error.Place.Split('/').Skip(1))
        {
            string name = part.Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal);
            at = at.ValueKind == JsonValueKind.Array ? at[int.Parse(name, System.Globalization.CultureInfo.InvariantCulture)] : at.GetProperty(name);
        }
        if (error.Keyword != "schema")
        {
            Assert.True(at.TryGetProperty(error.Keyword, out _), error.Message);
        }
    }
}
