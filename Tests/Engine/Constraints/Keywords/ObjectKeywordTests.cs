using System.Text.Json;
using Llama4Kernels.Engine.Constraints;

namespace Llama4Kernels.Tests.Engine.Constraints.Keywords;

public class ObjectKeywordTests
{
    private const string Draft4 = "\"$schema\":\"http://json-schema.org/draft-04/schema#\",";
    private const string Draft7 = "\"$schema\":\"http://json-schema.org/draft-07/schema#\",";
    private const string Draft2019 = "\"$schema\":\"https://json-schema.org/draft/2019-09/schema\",";

    [Theory]
    [InlineData("""{"properties":{"a":{"type":"integer"},"b":{"type":"string"}}}""", """{"a":1,"b":"x"}|{}|{"c":[]}|[]|1""", """{"a":"x"}|{"b":{}}|{"a":[],"b":{}}""")]
    [InlineData("""{"properties":{"a":true,"b":false}}""", """{}|{"a":1}""", """{"b":1}|{"a":1,"b":2}""")]
    [InlineData("""{"properties":{"a\nb":{"type":"number"},"a\"b":{"type":"number"},"a/~b":{"type":"number"}}}""", """{"a\nb":1,"a\"b":1,"a/~b":1}""", """{"a\nb":"1"}|{"a/~b":"1"}""")]
    [InlineData("""{"properties":{"$ref":{"type":"string"}}}""", """{"$ref":"a"}|{}""", """{"$ref":2}""")]
    [InlineData("""{"properties":{"__proto__":{"type":"number"},"constructor":{"type":"number"}}}""", """{"__proto__":1}|{"constructor":1}""", """{"__proto__":"a"}|{"constructor":[]}""")]
    [InlineData("""{"required":["a"]}""", """{"a":1}|{"b":1,"a":null}|12|[]""", """{}|{"b":1}""")]
    [InlineData("""{"required":[]}""", "{}|1", null)]
    [InlineData("""{"required":["a\nb","a\"b"]}""", """{"a\nb":1,"a\"b":2}""", """{"a\nb":1}""")]
    [InlineData("""{"properties":{"a":{}},"additionalProperties":false,"patternProperties":{"^v":{}}}""", """{"a":1,"vx":2}|{"v":1}|{}""", """{"b":1}|{"a":1,"xv":1}""")]
    [InlineData("""{"additionalProperties":{"type":"boolean"}}""", """{"a":true}|{}|1""", """{"a":1}|{"a":true,"b":null}""")]
    [InlineData("""{"allOf":[{"properties":{"a":{}}}],"additionalProperties":{"type":"boolean"}}""", """{"a":true}""", """{"a":1}""")]
    [InlineData("""{"patternProperties":{"f.*o":{"type":"integer"}}}""", """{"fo":1,"foooo":2}|{"bar":"x"}|[]""", """{"foo":"b"}|{"xfoy":null}""")]
    [InlineData("""{"patternProperties":{"a*":{"type":"integer"},"aaa*":{"maximum":20}}}""", """{"a":21}|{"aaaa":18}|{"a":21,"aaaa":18}""", """{"a":"x"}|{"aaaa":31}|{"aaa":"f"}|{"x":true}""")]
    [InlineData("""{"patternProperties":{"^a":true,"^b":false}}""", """{"a":1}|{}""", """{"b":1}|{"a":1,"b":2}""")]
    [InlineData("""{"properties":{"ab":{"minimum":2}},"patternProperties":{"^a":{"maximum":5}}}""", """{"ab":2}|{"ab":5,"ac":1}""", """{"ab":1}|{"ab":6}|{"ac":6}""")]
    [InlineData("""{"propertyNames":{"maxLength":2}}""", """{"a":1,"bb":2}|{}|[]""", """{"ccc":1}|{"a":1,"ccc":2}""")]
    [InlineData("""{"propertyNames":false}""", "{}|1", """{"a":1}""")]
    [InlineData("""{"propertyNames":{"enum":["a","b"]},"type":"object"}""", """{"a":1}|{"a":1,"b":2}|{}""", """{"c":1}|{"a":1,"c":1}""")]
    [InlineData("{" + Draft4 + """ "propertyNames":{"maxLength":2}}""", """{"abc":1}""", null)]
    [InlineData("""{"minProperties":1}""", """{"a":1}|[]|"" """, "{}")]
    [InlineData("""{"maxProperties":1}""", """{"a":1}|{}|[1,2]""", """{"a":1,"b":2}""")]
    [InlineData("""{"properties":{"a":{},"b":{},"c":{}},"minProperties":2,"maxProperties":2,"additionalProperties":false}""", """{"a":1,"b":1}|{"b":1,"c":1}|{"a":1,"c":1}""", """{"a":1}|{"a":1,"b":1,"c":1}|{}""")]
    [InlineData("""{"maxProperties":0,"type":"object"}""", "{}", """{"a":1}""")]
    [InlineData("{" + Draft7 + """ "dependencies":{"b":["a"]}}""", """{}|{"a":1}|{"a":1,"b":2}|["b"]""", """{"b":2}""")]
    [InlineData("{" + Draft7 + """ "dependencies":{"b":{"properties":{"a":{"type":"integer"},"b":{"type":"integer"}}}}}""", """{"a":1,"b":2}|{"a":"x"}""", """{"a":"x","b":2}|{"b":"x"}""")]
    [InlineData("{" + Draft7 + """ "dependencies":{"a":true,"b":false}}""", """{"a":1}|{}""", """{"b":1}|{"a":1,"b":2}""")]
    [InlineData("{" + Draft4 + """ "dependencies":{"c":["a","b"]}}""", """{"a":1,"b":2,"c":3}|{"a":1}""", """{"c":1}|{"a":1,"c":2}""")]
    [InlineData("""{"dependentRequired":{"b":["a"]}}""", """{}|{"a":1}|{"a":1,"b":2}|"x" """, """{"b":2}""")]
    [InlineData("""{"dependentSchemas":{"b":{"required":["a"],"properties":{"b":{"const":1}}}}}""", """{"a":1}|{"b":1,"a":2}""", """{"b":1}|{"b":2,"a":1}""")]
    [InlineData("{" + Draft2019 + """ "dependentSchemas":{"a":{"properties":{"b":false}}}}""", """{"a":1}|{"b":1}""", """{"a":1,"b":1}""")]
    [InlineData("""{"type":"object","not":{"required":["a"]}}""", """{}|{"b":1}""", """{"a":1}|{"a":1,"b":1}""")]
    [InlineData("""{"type":"object","not":{"properties":{"a":{"type":"string"}}}}""", """{"a":1}|{"a":null,"b":1}""", """{}|{"a":"x"}|{"b":1}""")]
    [InlineData("""{"type":"object","not":{"additionalProperties":{"type":"string"},"properties":{"a":{}}}}""", """{"a":1,"b":2}|{"c":[]}""", """{}|{"a":1}|{"b":"x"}""")]
    [InlineData("""{"const":{"a":1,"b":[2]}}""", """{"a":1,"b":[2]}|{"a":1.0,"b":[2.0]}""", """{"a":1}|{"a":1,"b":[2],"c":3}|{"a":1,"b":[3]}""")]
    [InlineData("""{"const":{"b":1,"a":{"y":[],"x":{}}}}""", """{"b":1,"a":{"y":[],"x":{}}}|{"a":{"x":{},"y":[]},"b":1}""", """{"b":1}|{"b":1,"a":{"y":[]}}|{"b":1,"a":{"y":[1],"x":{}}}""")]
    [InlineData("""{"type":"array","items":{"enum":[{"b":1,"a":2},[0,{"z":1,"y":2}],{"a":3,"b":4,"0":5}]}}""", """[{"b":1,"a":2}]|[[0,{"z":1,"y":2}],{"b":4,"a":3,"0":5}]|[]""", """[{"b":4,"a":2}]|[{"b":1}]|[[0,{"z":1}]]""")]
    [InlineData("""{"properties":{"k":{"type":"string"}},"not":{"const":{"k":"x","c":1,"b":2}},"type":"object"}""", """{"k":"x","c":1}|{"k":"x","c":1,"b":3}|{"k":"y","c":1,"b":2}""", """{"k":"x","c":1,"b":2}""")]
    [InlineData("""{"type":"object","not":{"const":{"a":1}}}""", """{}|{"a":2}|{"a":1,"b":1}""", """{"a":1}""")]
    [InlineData("""{"properties":{"a":{"type":"string","nullable":true},"b":{"nullable":true}}}""", """{"a":null}|{"a":"x","b":1}""", """{"a":1}""")]
    public void Objects(string schema, string valid, string? invalid) => ConstraintChecks.CheckAll(schema, valid, invalid);

    /// <summary>A constant's properties come in its own order; where several differ, in that of the first.</summary>
    [Theory]
    [InlineData("""{"const":{"b":1,"a":{"y":2,"x":3}}}""", """{"b":1,"a":{"y":2,"x":3}}""")]
    [InlineData("""{"items":{"anyOf":[{"const":{"b":1,"a":2}},{"enum":[[{"z":1,"y":2}],3]}]}}""", """[{"b":1,"a":2},[{"z":1,"y":2}],3]""")]
    [InlineData("""{"enum":[{"b":1,"a":2},{"a":3,"c":4,"b":5}]}""", """{"b":5,"a":3,"c":4}""")]
    [InlineData("""{"properties":{"a":{},"b":{}},"const":{"b":1,"a":2}}""", """{"a":2,"b":1}""")]
    public void ConstantsOrderTheirProperties(string schema, string document)
    {
        Assert.True(ConstraintChecks.Accepts(ConstraintChecks.Compiler.JsonSchema(schema), document));
        Assert.Equal(document, new SchemaWriter(JsonElement.Parse(schema)).Write(JsonElement.Parse(document)));
    }
}
