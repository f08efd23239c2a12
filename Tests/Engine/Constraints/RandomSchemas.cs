using System.Text.Json.Nodes;

namespace Llama4Kernels.Tests.Engine.Constraints;

/// <summary>Small schemas of all keywords, and small documents that are as likely to meet them as not.</summary>
internal sealed class RandomSchemas(Random random)
{
    private static readonly string[] s_names = ["a", "b", "c", "ab"];
    private static readonly string[] s_patterns = ["^a", "b$", "^[ab]+$", "a|c", "^.{2}$", "^(?!b)"];

    /// <summary>A schema with definitions that may refer to each other.</summary>
    public JsonObject Schema()
    {
        JsonObject schema = Object(3);
        schema["$defs"] = new JsonObject { ["x"] = Sub(2), ["y"] = Sub(2) };
        return schema;
    }

    /// <summary>A document.</summary>
    public JsonNode? Document(int depth = 3) => random.Next(depth > 0 ? 9 : 6) switch
    {
        0 => null,
        1 => random.Next(2) == 0,
        2 or 3 => Number(),
        4 or 5 => Text(),
        6 => new JsonArray([.. Enumerable.Range(0, random.Next(4)).Select(_ => Document(depth - 1))]),
        _ => new JsonObject(s_names.Append("d").Where(_ => random.Next(2) == 0).Select(name => KeyValuePair.Create(name, Document(depth - 1)))),
    };

    private static JsonArray Array(IEnumerable<JsonNode?> items) => [.. items];

    private JsonNode Sub(int depth) => random.Next(12) == 0 ? random.Next(3) > 0 : Object(depth);

    // References only where the document goes deeper: the validator follows others for ever.
    private JsonNode Inner(int depth) => random.Next(8) == 0
        ? new JsonObject { ["$ref"] = random.Next(3) switch { 0 => "#", 1 => "#/$defs/x", _ => "#/$defs/y" } }
        : Sub(depth);

    private JsonObject Object(int depth)
    {
        JsonObject schema = [];
        for (int i = random.Next(1, 4); i > 0; i--)
        {
            (string keyword, JsonNode? value) = depth > 0 && random.Next(3) > 0 ? Applicator(depth - 1) : Assertion();
            schema[keyword] = value;
        }
        if (random.Next(3) == 0)
        {
            schema["type"] = Type();
        }
        return schema;
    }

    private (string, JsonNode?) Assertion() => random.Next(17) switch
    {
        0 or 1 => ("type", random.Next(3) == 0 ? Array([Type(), "string"]) : Type()),
        2 => ("enum", Array(Enumerable.Range(0, random.Next(1, 4)).Select(_ => Document(2)))),
        3 => ("const", Document(2)),
        4 => ("minimum", Number()),
        5 => ("maximum", Number()),
        6 => ("exclusiveMinimum", Number()),
        7 => ("multipleOf", random.Next(3) switch { 0 => 1.5, 1 => 2, _ => 0.5 }),
        8 => ("minLength", random.Next(3)),
        9 => ("maxLength", random.Next(3)),
        10 => ("pattern", s_patterns[random.Next(s_patterns.Length)]),
        11 => ("minItems", random.Next(3)),
        12 => ("maxItems", random.Next(3)),
        13 => ("required", Array(Names().Select(name => (JsonNode?)name))),
        14 => ("minProperties", random.Next(4)),
        15 => ("maxProperties", random.Next(4)),
        _ => ("uniqueItems", true),
    };

    private (string, JsonNode?) Applicator(int depth) => random.Next(17) switch
    {
        0 or 1 => ("properties", new JsonObject(Names().Select(name => KeyValuePair.Create(name, (JsonNode?)Inner(depth))))),
        2 => ("additionalProperties", Inner(depth)),
        3 => ("patternProperties", new JsonObject { [s_patterns[random.Next(s_patterns.Length)]] = Sub(depth) }),
        4 => ("propertyNames", Sub(0)),
        5 => ("items", Inner(depth)),
        6 => ("prefixItems", Array(Enumerable.Range(0, random.Next(1, 3)).Select(_ => Inner(depth)))),
        7 => ("contains", Inner(depth)),
        8 => ("allOf", Several(depth)),
        9 or 10 => ("anyOf", Several(depth)),
        11 or 12 => ("oneOf", Several(depth)),
        13 => ("not", Sub(depth)),
        14 => ("if", Sub(depth)),
        15 => ("then", Sub(depth)),
        _ => random.Next(2) == 0
            ? ("dependentSchemas", new JsonObject { [s_names[random.Next(3)]] = Sub(depth) })
            : ("dependentRequired", new JsonObject { [s_names[random.Next(3)]] = Array(Names().Select(name => (JsonNode?)name)) }),
    };

    private JsonArray Several(int depth) => Array(Enumerable.Range(0, random.Next(1, 4)).Select(_ => (JsonNode?)Sub(depth)));

    private string[] Names() => [.. s_names.Where(_ => random.Next(2) == 0)];

    private string Type() => ((string[])["null", "boolean", "integer", "number", "string", "array", "object", "object", "array"])[random.Next(9)];

    private JsonNode Number() => random.Next(4) == 0 ? random.Next(-4, 8) * 0.5 : random.Next(-2, 5);

    private string Text() => ((string[])["", "a", "b", "ab", "ba", "abc", "c"])[random.Next(7)];
}
