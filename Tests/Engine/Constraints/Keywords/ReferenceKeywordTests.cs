namespace Llama4Kernels.Tests.Engine.Constraints.Keywords;

public class ReferenceKeywordTests
{
    private const string Draft4 = "\"$schema\":\"http://json-schema.org/draft-04/schema#\",";
    private const string Draft7 = "\"$schema\":\"http://json-schema.org/draft-07/schema#\",";
    private const string Draft2019 = "\"$schema\":\"https://json-schema.org/draft/2019-09/schema\",";
    private const string Draft2020 = "\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",";

    [Theory]
    [InlineData("""{"properties":{"foo":{"$ref":"#"}},"additionalProperties":false}""", """{"foo":false}|{"foo":{"foo":false}}""", """{"bar":false}|{"foo":{"bar":false}}""")]
    [InlineData("""{"properties":{"foo":{"type":"integer"},"bar":{"$ref":"#/properties/foo"}}}""", """{"bar":3}""", """{"bar":true}""")]
    [InlineData("""{"prefixItems":[{"type":"integer"},{"$ref":"#/prefixItems/0"}]}""", "[1,2]", """[1,"foo"]""")]
    [InlineData("""{"$defs":{"tilde~field":{"type":"integer"},"slash/field":{"type":"integer"},"percent%field":{"type":"integer"}},"properties":{"t":{"$ref":"#/$defs/tilde~0field"},"s":{"$ref":"#/$defs/slash~1field"},"p":{"$ref":"#/$defs/percent%25field"}}}""", """{"t":1,"s":2,"p":3}""", """{"t":"a"}|{"s":"a"}|{"p":"a"}""")]
    [InlineData("""{"$defs":{"a":{"type":"integer"},"b":{"$ref":"#/$defs/a"},"c":{"$ref":"#/$defs/b"}},"$ref":"#/$defs/c"}""", "5", """ "a" """)]
    // Beside a reference other keywords count from 2019-09 on, and not before.
    [InlineData("{" + Draft2019 + """ "$defs":{"r":{"type":"array"}},"properties":{"foo":{"$ref":"#/$defs/r","maxItems":2}}}""", """{"foo":[1]}""", """{"foo":[1,2,3]}|{"foo":"x"}""")]
    [InlineData("{" + Draft7 + """ "definitions":{"r":{"type":"array"}},"properties":{"foo":{"$ref":"#/definitions/r","maxItems":2}}}""", """{"foo":[1]}|{"foo":[1,2,3]}""", """{"foo":"x"}""")]
    [InlineData("{" + Draft4 + """ "definitions":{"r":{"type":"array"}},"properties":{"foo":{"$ref":"#/definitions/r","maxItems":2}}}""", """{"foo":[1,2,3]}""", """{"foo":"x"}""")]
    [InlineData("""{"properties":{"$ref":{"$ref":"#/$defs/s"}},"$defs":{"s":{"type":"string"}}}""", """{"$ref":"a"}""", """{"$ref":2}""")]
    [InlineData("""{"allOf":[{"$ref":"#/$defs/bool"}],"$defs":{"bool":true}}""", "1", null)]
    [InlineData("""{"properties":{"a":{"$ref":"#/$defs/no"}},"$defs":{"no":false}}""", """{"b":1}""", """{"a":1}""")]
    // Anchors and identifiers.
    [InlineData("""{"$ref":"#foo","$defs":{"A":{"$anchor":"foo","type":"integer"}}}""", "1", """ "a" """)]
    [InlineData("{" + Draft7 + """ "allOf":[{"$ref":"#foo"}],"definitions":{"A":{"$id":"#foo","type":"integer"}}}""", "1", """ "a" """)]
    [InlineData("{" + Draft4 + """ "allOf":[{"$ref":"#foo"}],"definitions":{"A":{"id":"#foo","type":"integer"}}}""", "1", """ "a" """)]
    [InlineData("""{"$id":"http://localhost/root.json","$ref":"http://localhost/nested.json#foo","$defs":{"A":{"$id":"nested.json","$defs":{"B":{"$anchor":"foo","type":"integer"}}}}}""", "1", """ "a" """)]
    [InlineData("""{"$id":"http://example.com/tree","type":"object","properties":{"nodes":{"type":"array","items":{"$ref":"node"}}},"required":["nodes"],"additionalProperties":false,"$defs":{"node":{"$id":"http://example.com/node","type":"object","properties":{"value":{"type":"number"},"subtree":{"$ref":"tree"}},"required":["value"],"additionalProperties":false}}}""",
        """{"nodes":[{"value":1,"subtree":{"nodes":[{"value":1.1}]}}]}""", """{"nodes":[{"value":"x"}]}|{"nodes":[{"value":1,"subtree":{"nodes":[{"value":"x"}]}}]}|{"nodes":[{"value":1,"subtree":{}}]}""")]
    [InlineData("""{"$id":"http://localhost/a/base.json","properties":{"x":{"$id":"sub/","$ref":"item.json"}},"$defs":{"i":{"$id":"http://localhost/a/sub/item.json","type":"integer"}}}""", """{"x":1}""", """{"x":"a"}""")]
    [InlineData("""{"$ref":"urn:uuid:deadbeef-1234-00ff-ff00-4321feebdaed","$defs":{"b":{"$id":"urn:uuid:deadbeef-1234-00ff-ff00-4321feebdaed","type":"string"}}}""", """ "x" """, "1")]
    // What looks like an identifier inside a constant is none.
    [InlineData("""{"$defs":{"e":{"enum":[{"$id":"http://localhost/x","type":"null"}]},"r":{"$id":"http://localhost/x","type":"string"}},"anyOf":[{"$ref":"#/$defs/e"},{"$ref":"http://localhost/x"}]}""", """ "a"|{"$id":"http://localhost/x","type":"null"} """, "1|null")]
    [InlineData("{" + Draft7 + """ "$ref":"#/definitions/a","definitions":{"a":{"type":"integer"},"b":{"$ref":"#/definitions/a","$id":"http://ignored/"}},"$id":"http://ignored.too/"}""", "1", """ "a" """)]
    // Dynamic references.
    [InlineData("{" + Draft2020 + """ "$dynamicRef":"#foo","$defs":{"A":{"$anchor":"foo","type":"integer"}}}""", "1", """ "a" """)]
    [InlineData("{" + Draft2020 + """ "$id":"http://x/list","type":"array","items":{"$dynamicRef":"#item"},"$defs":{"d":{"$dynamicAnchor":"item","type":"string"}}}""", """["a","b"]""", """["a",1]""")]
    [InlineData("{" + Draft2020 + """ "$id":"http://x/root","$ref":"list","$defs":{"s":{"$dynamicAnchor":"item","type":"string"},"list":{"$id":"list","type":"array","items":{"$dynamicRef":"#item"},"$defs":{"any":{"$dynamicAnchor":"item"}}}}}""", """["a"]""", "[1]")]
    [InlineData("{" + Draft2020 + """ "$id":"http://x/strict","$dynamicAnchor":"node","$ref":"tree","type":"object","propertyNames":{"enum":["data","children"]},"$defs":{"tree":{"$id":"tree","$dynamicAnchor":"node","type":"object","properties":{"data":true,"children":{"type":"array","items":{"$dynamicRef":"#node"}}}}}}""",
        """{"data":1,"children":[{"data":1}]}""", """{"daat":1}|{"children":[{"daat":1}]}""")]
    [InlineData("{" + Draft2020 + """ "$id":"http://x/many","properties":{"n":{"$ref":"#/$defs/numbers"},"t":{"$ref":"#/$defs/texts"}},"$defs":{"list":{"$id":"list","items":{"$dynamicRef":"#item"},"$defs":{"any":{"$dynamicAnchor":"item"}}},"numbers":{"$id":"numbers","$defs":{"i":{"$dynamicAnchor":"item","type":"number"}},"$ref":"list"},"texts":{"$id":"texts","$defs":{"i":{"$dynamicAnchor":"item","type":"string"}},"$ref":"list"}}}""",
        """{"n":[1,2],"t":["a"]}""", """{"n":["a"]}|{"t":[1]}""")]
    [InlineData("{" + Draft2019 + """ "$id":"http://x/r","properties":{"foo":{"$recursiveRef":"#"}},"additionalProperties":false}""", """{"foo":{"foo":{}}}""", """{"foo":{"bar":1}}""")]
    public void References(string schema, string valid, string? invalid) => ConstraintChecks.CheckAll(schema, valid, invalid);
}
