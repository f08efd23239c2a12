namespace Llama4Kernels.Tests.Engine.Constraints;

public class JsonSchemaKeywordTests
{
    [Theory]
    [InlineData("""{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"string"}},"required":["b"],"additionalProperties":false}""",
        """{"a":1,"b":"x"}|{"b":""}""", """{"a":1}|{"b":"x","c":1}|{"b":1}|{}|[]""")]
    [InlineData("""{"type":"array","items":{"type":"number"},"minItems":1,"maxItems":2}""", "[1]|[1.5,-2e3]", "[]|[1,2,3]|[null]")]
    [InlineData("""{"enum":[1,"a",null,{"x":[1]},[true]]}""", """1|"a"|null|{"x":[1]}|[true]""", """2|"b"|true|{"x":[2]}|[]""")]
    [InlineData("""{"minimum":-1.5,"exclusiveMaximum":20}""", """-1.5|0|19.99|-0|"x"|[]""", "-1.51|20|20.0|100|-2")]
    [InlineData("""{"type":"number","multipleOf":0.25}""", "0|1|0.5|-7.75|1.250", "0.3|1.251")]
    [InlineData("""{"type":"string","minLength":2,"maxLength":3}""", """ "ab"|"äöü"|"a\n"|"😀😀"  """, """ "a"|"abcd"|"😀"|"\n"  """)]
    [InlineData("""{"type":"string","pattern":"^$|^a+$"}""", """ ""|"aa" """, """ "b"|"ab"|" " """)]
    [InlineData("""{"type":"string","pattern":"^"}""", """ ""|"b" """, "1")]
    [InlineData("""{"type":"string","pattern":"^a+$|z"}""", """ "aa"|"xzx"|"z"  """, """ "ab"|""|"b"  """)]
    [InlineData("""{"oneOf":[{"required":["a"]},{"required":["b"]}],"type":"object"}""", """{"a":1}|{"b":1}|{"b":1,"c":2}""", """{}|{"a":1,"b":2}""")]
    [InlineData("""{"not":{"type":"integer"}}""", """1.5|"1"|null|[1]""", "1|-3|0")]
    [InlineData("""{"$ref":"#/$defs/n","$defs":{"n":{"type":"object","properties":{"n":{"$ref":"#/$defs/n"}},"additionalProperties":false}}}""",
        """{}|{"n":{}}|{"n":{"n":{"n":{}}}}""", """{"n":1}|{"m":{}}|{"n":{"n":1}}""")]
    [InlineData("""{"if":{"properties":{"k":{"const":1}},"required":["k"]},"then":{"required":["x"]},"else":{"required":["y"]}}""",
        """{"k":1,"x":0}|{"k":2,"y":0}|{"y":1}|5""", """{"k":1}|{"k":2,"x":0}|{}""")]
    [InlineData("""{"patternProperties":{"^s_":{"type":"string"}},"additionalProperties":{"type":"integer"},"minProperties":1}""",
        """{"s_a":"x"}|{"a":1}|{"s_a":"x","b":2}|[]""", """{}|{"s_a":1}|{"a":"x"}""")]
    [InlineData("""{"contains":{"const":1},"maxItems":3}""", "[1]|[0,1]|[0,0,1]|7", "[]|[0]|[0,0,0]|[1,1,1,1]")]
    [InlineData("""{"anyOf":[{"properties":{"b":{"const":3},"a":{"const":4}},"required":["a","b"]},{"properties":{"a":{"const":1},"b":{"const":2}},"required":["a","b"]}]}""",
        """{"b":3,"a":4}|{"b":2,"a":1}""", """{"b":3,"a":1}|{"b":2}""")]
    [InlineData("""{"type":"object","patternProperties":{"^(x|y)$":{"type":"integer"}},"additionalProperties":false}""",
        """{}|{"x":1}|{"x":1,"y":2}|{"y":2,"x":1}""", """{"z":1}|{"x":"1"}""")]
    [InlineData("""{"type":"object","allOf":[{"not":{"propertyNames":{"not":{"pattern":"a"}}}},{"not":{"propertyNames":{"not":{"pattern":"b"}}}}],"maxProperties":1}""",
        """{"ab":1}|{"bxa":null}""", """{"a":1}|{"b":1}|{}|{"a":1,"b":1}""")]
    [InlineData("""{"type":"object","patternProperties":{"^.$":{"minItems":1}},"additionalProperties":false,"not":{"propertyNames":{"not":{"enum":["1","3"]}}},"maxProperties":2}""",
        """{"1":[0]}|{"3":[0]}|{"1":[0],"2":[0]}""", """{"2":[0]}|{}|{"1":[]}""")]
    [InlineData("""{"$schema":"http://json-schema.org/draft-04/schema#","$ref":"#/definitions/v","properties":{"t":{"type":"string"}},"definitions":{"v":{"type":"object","properties":{"r":{"type":"string"}}}}}""",
        """{"r":"x","t":1}|{"t":1}""", """{"r":1}|3""")]
    [InlineData("""{"enum":[{"a":1.0}]}""", """{"a":1.0}|{"a":1}""", """{"a":true}|{"a":1.5}|{"a":2}""")]
    public void KeepsToTheSchema(string schema, string valid, string invalid)
    {
        Assert.All(valid.Split('|'), document => ConstraintChecks.Check(schema, document, true));
        Assert.All(invalid.Split('|'), document => ConstraintChecks.Check(schema, document, false));
    }
}
