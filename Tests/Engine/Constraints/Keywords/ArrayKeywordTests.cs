namespace Llama4Kernels.Tests.Engine.Constraints.Keywords;

public class ArrayKeywordTests
{
    private const string Draft4 = "\"$schema\":\"http://json-schema.org/draft-04/schema#\",";
    private const string Draft7 = "\"$schema\":\"http://json-schema.org/draft-07/schema#\",";
    private const string Draft2019 = "\"$schema\":\"https://json-schema.org/draft/2019-09/schema\",";
    private const string Draft2020 = "\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",";

    [Theory]
    [InlineData("""{"items":{"type":"integer"}}""", """[]|[1,2]|"x"|{"0":"a"}""", """["a"]|[1,"a"]|[[1]]""")]
    [InlineData("""{"items":false}""", "[]|1", "[1]|[null]")]
    [InlineData("""{"items":true}""", """[]|[1,"a",{}]""", null)]
    [InlineData("""{"prefixItems":[{"type":"integer"},{"type":"string"}]}""", """[1,"a"]|[1]|[]|[1,"a",true,null]""", """["a"]|[1,1]""")]
    [InlineData("""{"prefixItems":[{"type":"integer"}],"items":{"type":"string"}}""", """[1,"a","b"]|[]""", """[1,2]|["a"]""")]
    [InlineData("""{"prefixItems":[true,false]}""", "[]|[1]", "[1,2]|[1,2,3]")]
    [InlineData("{" + Draft2020 + """ "prefixItems":[{"const":1}],"items":false}""", "[]|[1]", "[1,1]|[2]")]
    [InlineData("{" + Draft7 + """ "items":[{"type":"integer"},{"type":"string"}],"additionalItems":{"type":"null"}}""", """[1,"a",null]|[1,"a"]|[]""", """[1,"a",1]|["a"]""")]
    [InlineData("{" + Draft4 + """ "items":[{"type":"integer"}],"additionalItems":false}""", "[]|[1]", "[1,1]|[null]")]
    [InlineData("{" + Draft4 + """ "items":{"type":"integer"},"additionalItems":false}""", "[1,2,3]", "[null]")]
    [InlineData("{" + Draft7 + """ "additionalItems":false}""", "[1,2]|[]", null)]
    [InlineData("{" + Draft7 + """ "prefixItems":[{"const":1}]}""", "[2]|[]", null)]
    [InlineData("""{"minItems":1}""", """[1]|[[]]|""|{}""", "[]")]
    [InlineData("""{"maxItems":2}""", "[]|[1,2]", "[1,2,3]")]
    [InlineData("""{"minItems":2,"maxItems":1}""", "1|{}", "[]|[1]|[1,2]")]
    [InlineData("""{"minItems":1.0,"maxItems":1.0,"type":"array"}""", "[1]", "[]|[1,2]")]
    [InlineData("""{"contains":{"minimum":5}}""", """[5]|[1,6,2]|["a",5]|{}""", """[]|[1]|[4,4]""")]
    [InlineData("""{"contains":{"required":["q"],"properties":{"q":{"type":"integer"}}}}""", """[{"z":1,"q":2}]|[{"q":"a"},{"z":1,"q":2}]|[{"z":null,"q":"a"},{"q":3}]""", """[{"z":1}]|[{"z":1,"q":"a"}]""")]
    [InlineData("""{"not":{"items":{"properties":{"p":{"type":"number"},"q":{"type":"integer"}}}}}""", """[{"p":5.0,"q":2.5}]|[{"p":"x","q":1}]|[{"p":1,"q":1},{"z":1,"q":"a"}]""", """[{"p":5.0,"q":2}]|[]|[{"q":1},3]""")]
    [InlineData("""{"contains":false}""", "1|{}", "[]|[1]")]
    [InlineData("""{"contains":true}""", "[1]|[null]", "[]")]
    [InlineData("""{"contains":{"const":1},"minContains":2}""", "[1,1]|[1,2,1,1]", "[1]|[]|[2,1]")]
    [InlineData("""{"contains":{"const":1},"maxContains":1}""", "[1]|[2,1,2]", "[]|[1,1]|[1,2,1]")]
    [InlineData("""{"contains":{"const":1},"minContains":0}""", "[]|[2]|[1,1]", null)]
    [InlineData("""{"contains":{"const":1},"minContains":0,"maxContains":1}""", "[]|[2]|[1]", "[1,1]|[1,0,1]")]
    [InlineData("""{"minContains":2,"maxContains":1}""", "[]|[1]", null)]
    [InlineData("{" + Draft7 + """ "contains":{"const":1},"minContains":2}""", "[1]", "[]|[2]")]
    [InlineData("{" + Draft4 + """ "contains":{"const":1}}""", "[]|[2]", null)]
    [InlineData("""{"type":"array","items":{"enum":["a","b"]},"contains":{"const":"b"},"maxItems":2}""", """["b"]|["a","b"]|["b","b"]""", """["a"]|["a","a"]|[]|["a","a","b"]""")]
    [InlineData("""{"prefixItems":[{"type":"boolean"},false],"contains":{"type":"number"}}""", """1|"x"|{}""", "[]|[true]|[1]|[true,1]")]
    [InlineData("""{"items":{"type":"number"},"allOf":[{"contains":{"minimum":1}},{"contains":{"maximum":5}}],"maxItems":1}""", "[3]|[1]", "[]|[0]|[7]|[0,7]")]
    [InlineData("""{"prefixItems":[true,{"type":"boolean"}],"items":false,"allOf":[{"contains":{"type":"number"}},{"contains":{"type":"string"}}]}""", "null|{}", """[]|[1]|["a"]|[1,true]""")]
    [InlineData("""{"contains":{"type":"number"},"minContains":2,"maxContains":2,"maxItems":3}""", """[1,2]|[1,"a",2]|["a",1,2]""", """[]|[1]|[1,"a","b"]|["a","b",1]|[1,2,3]""")]
    [InlineData("""{"prefixItems":[{"type":"string"},{"type":"string"}],"contains":{"type":"number"},"minContains":3,"maxItems":5}""", """["a","b",1,2,3]""", """["a",1,2,3]|["a","b",1,2]|["a","b",1,"c"]""")]
    [InlineData("""{"items":{"type":"number"},"contains":{"minimum":5},"minContains":0,"maxContains":2,"minItems":4}""", "[1,2,3,4]|[5,1,6,2]|[1,1,1,5,5]", "[5,6,7,1]|[1,2,3]|[1,5,5,2,5]")]
    [InlineData("""{"not":{"items":{"type":"integer"}},"type":"array"}""", """["a"]|[1,"a"]""", "[]|[1]")]
    [InlineData("""{"not":{"contains":{"type":"string"}},"type":"array"}""", "[]|[1,null]", """["a"]|[1,"a"]""")]
    [InlineData("""{"not":{"minItems":2},"type":"array"}""", "[]|[1]", "[1,2]")]
    [InlineData("""{"uniqueItems":false}""", "[1,1]", null)]
    [InlineData("""{"allOf":[{"items":{"type":"integer"}},{"items":{"minimum":3}},{"minItems":1}],"type":"array"}""", "[3]|[4,5]", "[]|[2]|[3.5]")]
    [InlineData("{" + Draft2019 + """ "items":[{"const":1}],"additionalItems":{"const":2}}""", "[1,2,2]", "[2]|[1,1]")]
    [InlineData("""{"const":[1,{"a":[]}]}""", """[1,{"a":[]}]|[1.0,{"a":[]}]""", """[]|[1]|[1,{"a":[]},2]|[1,{"a":[1]}]""")]
    [InlineData("""{"type":"array","not":{"const":[1]}}""", "[]|[2]|[1,1]", "[1]|[1.0]")]
    public void Arrays(string schema, string valid, string? invalid) => ConstraintChecks.CheckAll(schema, valid, invalid);
}
