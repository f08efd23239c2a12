using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Constraints;

namespace Llama4Kernels.Tests.Engine.Constraints;

/// <summary>Keys of one object differ, and items where the schema says so, whatever tokens write them.</summary>
public class DistinctElementTests
{
    [Theory]
    [InlineData("{}", """{"ab":1,"a b":2," ab":3,"ab ":4}|{"a b":0,"ab":1}|{"a":1,"b":2}|{"a":{"a":1}}|[{"a":1},{"a":1}]|{"a":1,"aa":2,"":3}|{"a":[{"b":1}],"b":1}""", """{"a":1,"a":2}|{"b":0,"a":1,"b":2}|{"a":{"b":1,"b":1}}|{"":1,"":2}|{"a":{"a":1,"b":2},"a":1}|[{"a":[{"b":1,"b":1}]}]""")]
    [InlineData("""{"type":"object","properties":{"x":{"type":"integer"}},"additionalProperties":{"type":"string"}}""",
        """{"x":1,"a":"","b":""}""", """{"x":1,"x":2}|{"a":"","a":""}|{"x":1,"a":"","x":2}""")]
    [InlineData("""{"type":"object","patternProperties":{"^x[0-9]$":{},"^y$":{}},"additionalProperties":false}""",
        """{"x1":1,"x0":1,"y":0}""", """{"x1":1,"x1":1}|{"y":1,"x1":0,"y":1}""")]
    [InlineData("""{"anyOf":[{"type":"object","properties":{"a":{"type":"integer"}},"additionalProperties":{"type":"integer"}},{"type":"object","additionalProperties":{"type":"string"}}]}""",
        """{"a":1,"b":2}|{"b":"1","a":"2"}""", """{"a":1,"a":2}|{"b":"1","b":"2"}|{"a":"1","a":"2"}""")]
    [InlineData("""{"type":"object","additionalProperties":{"enum":["}","\"","\\","a\",\"a"]}}""", """{"}":"}","\"":"\"","\\":"a\",\"a"}""", """{"}":"}","}":"\\"}|{"\"":"a\",\"a","\"":"}"}""")]
    public void KeysDoNotComeAgain(string schema, string valid, string invalid) => CheckTexts(schema, valid, invalid);

    [Theory]
    [InlineData("""{"items":{"type":"string"},"uniqueItems":true}""", """["the end","theend","the end "]|[]|["a"]|["a","b","ab",""]|["a","A"]""", """["a","a"]|["a","b","a"]|["",""]""")]
    [InlineData("""{"items":{"type":"integer"},"uniqueItems":true}""", "[1,11,111,2]|[-1,1,0]", "[1,1]|[11,1,11]|[0,0]")]
    [InlineData("""{"items":{"enum":["a","b",1,null,true]},"uniqueItems":true,"type":"array"}""", """[1,"a",null,"b",true]|[]""", """[1,"a",1]|[null,null]|[true,true]|["a","b","a"]""")]
    [InlineData("""{"items":{"enum":["a","b"]},"uniqueItems":true,"type":"array"}""", """["a","b"]|["b","a"]""", """["a","b","a"]|["a","a"]""")]
    [InlineData("""{"items":{"type":"boolean"},"uniqueItems":true,"type":"array","minItems":1}""", "[true]|[false,true]", "[]|[true,true]|[true,false,true]")]
    [InlineData("""{"items":{"type":"array","items":{"type":"integer"}},"uniqueItems":true}""", "[[],[1],[1,1],[11]]", "[[],[]]|[[1],[1]]|[[1,1],[2],[1,1]]")]
    [InlineData("""{"items":{"type":"object","properties":{"k":{"enum":["a","b"]}},"required":["k"],"additionalProperties":false},"uniqueItems":true,"type":"array"}""",
        """[{"k":"a"},{"k":"b"}]""", """[{"k":"a"},{"k":"a"}]|[{"k":"b"},{"k":"a"},{"k":"b"}]""")]
    [InlineData("""{"items":{"type":"object","properties":{"k":{"type":"integer"}}},"uniqueItems":true}""",
        """[{"k":1},{"k":2},{}]|[{"x":1,"y":2},{"x":2,"y":1}]|[{"k":1,"x":"}"},{"k":1}]""", """[{"k":1},{"k":1}]|[{},{}]|[{"x":1,"y":2},{"x":1,"y":2}]|[{"x":1,"y":2},{"y":2,"x":1}]|[{"k":1,"x":[{"p":0,"q":1}],"y":"}"},{"k":1,"y":"}","x":[{"q":1,"p":0}]}]""")]
    [InlineData("""{"type":"array","uniqueItems":true,"items":{"properties":{"m":{"type":"object"}},"required":["m"],"additionalProperties":false,"type":"object"}}""",
        """[{"m":{"a":1,"b":2}},{"m":{"b":2}},{"m":{"b":2,"a":1,"c":1}}]""", """[{"m":{"a":1,"b":2}},{"m":{"b":2,"a":1}}]|[{"m":{}},{"m":{}}]""")]
    [InlineData("""{"uniqueItems":true,"maxItems":3}""", """[1,"1",[1]]|[{"a":1},{"a":2}]|{"a":[1,1]}|[[1,1]]""", """[1,1]|["1",1,"1"]|[[1],[1]]|[{"a":1,"b":2},{"b":2,"a":1}]""")]
    [InlineData("""{"anyOf":[{"items":{"type":"integer"},"uniqueItems":true},{"items":{"enum":[1,2,"x"]},"maxItems":3}],"type":"array"}""", """[1,1,2]|[5,6,7,8]|[1,"x",1]|[1,2,3,4]""", "[5,5]|[1,1,5]|[1,2,1,2]")]
    [InlineData("""{"items":{"items":{"type":"string"},"uniqueItems":true},"type":"array"}""", """[["a"],["a"],["b","a"]]""", """[["a"],["b","b"]]""")]
    [InlineData("""{"items":{"minimum":1,"maximum":12,"type":"integer"},"uniqueItems":true,"type":"array"}""", "[1,2,3,4,5,6,7,8,9,10,11,12]|[12,1,11]", "[1,10,11,12,1]|[1,2,3,4,5,6,7,8,9,10,11,12,1]")]
    [InlineData("""{"prefixItems":[{"type":"string"}],"items":{"type":"integer"},"uniqueItems":true,"type":"array","contains":{"const":3}}""", """["a",3]|["3",1,3]""", """["a",3,3]|["a",1]|["a",1,1,3]""")]
    public void ItemsDoNotComeAgain(string schema, string valid, string invalid) => CheckTexts(schema, valid, invalid);

    /// <summary>What is left to choose never ends in what only a repetition could complete.</summary>
    [Theory]
    [InlineData("""{"type":"object","patternProperties":{"^(a|b)[0-9]{2}$":{"const":0}},"additionalProperties":false,"minProperties":3,"maxProperties":60}""")]
    [InlineData("""{"type":"object","patternProperties":{"^[a-j]{2}$":{"const":0}},"additionalProperties":false,"minProperties":100}""")]
    [InlineData("""{"type":"array","items":{"anyOf":[{"enum":["red","green","rose"]},{"type":"integer","minimum":7,"maximum":13}]},"uniqueItems":true,"minItems":10}""")]
    [InlineData("""{"type":"array","items":{"pattern":"^[xy]{1,4}$","type":"string"},"uniqueItems":true,"minItems":30}""")]
    [InlineData("""{"type":"array","items":{"type":"object","properties":{"a":{"type":"boolean"},"b":{"enum":[1,2]}},"required":["a"],"additionalProperties":false},"uniqueItems":true,"minItems":6}""")]
    [InlineData("""{"type":"array","items":{"type":"object","properties":{"a":{"type":"object","additionalProperties":{"const":1}}},"required":["a"],"additionalProperties":false},"uniqueItems":true,"minItems":5,"maxItems":9}""")]
    [InlineData("""{"type":"array","items":{"type":"array","items":{"type":"boolean"},"minItems":2,"maxItems":3},"uniqueItems":true,"minItems":12}""")]
    public void WhatIsLeftCanAlwaysBeCompleted(string schema)
    {
        foreach (bool space in (bool[])[false, true])
        {
            ITokenConstraint constraint = ConstraintChecks.Compiler.JsonSchema(schema, space);
            for (int seed = 0; seed < 6; seed++)
            {
                RandomWalk walk = RandomWalk.Take(constraint, ConstraintChecks.Tokenizer, seed, choices: 40 * seed);
                Assert.True(walk.IsWhole, walk.Text);
                AssertDistinct(System.Text.Json.JsonElement.Parse(walk.Text));
            }
        }
    }

    /// <summary>A mask and what may be taken after it agree in every token, whatever could end or go on with an element.</summary>
    [Theory]
    [InlineData("""{"uniqueItems":true}""", "[1, 1")]
    [InlineData("""{"items":{"type":"integer"},"uniqueItems":true,"type":"array"}""", "[1, 11,\n1")]
    [InlineData("""{"items":{"type":"number"},"uniqueItems":true,"type":"array"}""", "[ -1, 1.5 ,-1")]
    [InlineData("""{"items":{"enum":[1,12,"a",null]},"uniqueItems":true,"type":"array"}""", """[12, "a" , 1""")]
    [InlineData("""{"items":{"type":"array","items":{"type":"integer"}},"uniqueItems":true,"type":"array"}""", "[[ 1 ], [1 ")]
    [InlineData("""{"items":{"type":"object","properties":{"k":{"type":"integer"}},"required":["k"],"additionalProperties":false},"uniqueItems":true,"type":"array"}""", """[{"k": 1 }, {"k" :1""")]
    [InlineData("""{"anyOf":[{"items":{"type":"integer"},"uniqueItems":true},{"items":{"enum":[1,2,"x"]},"maxItems":3}],"type":"array"}""", "[1, 1 ,1")]
    [InlineData("{}", """{"a" : 1 , "a""")]
    public void WhatAMaskAllowsMayBeTaken(string schema, string beginning)
    {
        foreach (bool space in (bool[])[false, true])
        {
            string text = space ? beginning : string.Concat(beginning.Where(c => !char.IsWhiteSpace(c)));
            ITokenConstraint state = ConstraintChecks.Compiler.JsonSchema(schema, space);
            TokenMask mask = new(ConstraintChecks.Tokenizer.VocabularySize);
            foreach (byte value in System.Text.Encoding.UTF8.GetBytes(text))
            {
                state.Accept(Enumerable.Range(0, ConstraintChecks.Tokenizer.BaseVocabularySize).First(id => ConstraintChecks.Tokenizer.BytesOf(id) is [byte only] && only == value));
                state.Allow(mask);
                for (int id = 0; id < ConstraintChecks.Tokenizer.BaseVocabularySize; id++)
                {
                    Exception? refusal = Record.Exception(() => state.Fork().Accept(id));
                    Assert.True(mask[id] == (refusal is null), $"{schema}: '{ConstraintChecks.Tokenizer.Decode([id])}' ({id}) in '{text}' at '{(char)value}', allowed: {mask[id]}, {refusal?.Message}");
                }
            }
        }
    }

    /// <summary>Values that a model nests as it likes are compared without recursion: this thread has a small stack.</summary>
    [Fact]
    public void DepthCostsNoStack()
    {
        const int Depth = 3000;
        string deep = new string('[', Depth) + """{"b":1,"a":[2]}""" + new string(']', Depth);
        bool[] accepted = [];
        Thread thread = new(
            () => accepted = [.. new[] { deep.Replace("2", "3", StringComparison.Ordinal), deep }
                .Select(other => ConstraintChecks.Accepts(ConstraintChecks.Compiler.JsonSchema("""{"type":"array","uniqueItems":true}"""), $"[{deep},{other}]"))],
            256 << 10);
        thread.Start();
        thread.Join();
        Assert.Equal([true, false], accepted);
    }

    [Fact]
    public void AForkGoesOnByItself()
    {
        ITokenConstraint first = ConstraintChecks.Compiler.JsonSchema("""{"additionalProperties":{"type":"integer"},"type":"object"}""");
        Take(first, """{"a":1,"b":2,""");
        ITokenConstraint second = first.Fork();
        Take(first, """ "c":3,"c" """.Trim(), false);
        Take(first, "\"d\":1,");
        Take(second, "\"c\":3,");
        Take(second, "\"a\":", false);
        Take(second, "\"c\":", false);
        Take(second, "\"d\":4}");
        Assert.True(second.MayEnd);
        Take(first, "\"d\":", false);
        Take(first, "\"c\":4}");
        Assert.True(first.MayEnd);
    }

    [Theory]
    [InlineData("""{"type":"array","uniqueItems":true,"items":{"type":"object","maxProperties":3}}""", "#")]
    [InlineData("""{"properties":{"a":{"anyOf":[{"type":"null"},{"type":"array","uniqueItems":true,"items":{"properties":{"m":{"type":"object","maxProperties":2}},"required":["m"],"additionalProperties":false,"type":"object"}}]}}}""", "#/properties/a/anyOf/1")]
    [InlineData("""{"$defs":{"a/b":{"not":{"uniqueItems":true},"type":"array"}},"$ref":"#/$defs/a~1b"}""", "#/$defs/a~1b/not")]
    [InlineData("""{"type":"array","items":{"enum":[1,2,3,[1],[1,1]]},"uniqueItems":true,"prefixItems":[{"type":"string"}]}""", "#")]
    [InlineData("""{"type":"array","items":{"type":"integer"},"uniqueItems":true,"contains":{"const":1},"minContains":2}""", "#")]
    public void WhatCannotBeToldApartIsRefusedWithItsPlace(string schema, string place)
    {
        ConstraintException error = Assert.Throws<ConstraintException>(() => ConstraintChecks.Compiler.JsonSchema(schema));
        Assert.Equal(("uniqueItems", place), (error.Keyword, error.Place));
    }

    /// <summary>That there are enough words for an array is counted, not worked out: a long enumeration needs no automaton.</summary>
    [Fact]
    public void ManyWordsAreCounted()
    {
        ConstraintCompiler compiler = new(ConstraintChecks.Tokenizer, new ConstraintLimits { MaxStates = 100 });
        string words = string.Join(',', Enumerable.Range(0, 600).Select(i => $"\"word {i * 7919 % 10007}\""));
        ITokenConstraint constraint = compiler.JsonSchema(Schema(600));
        Assert.True(ConstraintChecks.Accepts(constraint, $"[{words}]"));
        Assert.False(ConstraintChecks.Accepts(constraint, $"[{words},\"word 0\"]"));
        ConstraintException error = Assert.Throws<ConstraintException>(() => compiler.JsonSchema(Schema(601)));
        Assert.Equal(("schema", "#"), (error.Keyword, error.Place));

        string Schema(int least) => $$$"""{"type":"array","uniqueItems":true,"minItems":{{{least}}},"items":{"enum":[{{{words}}}]}}""";
    }

    private static void CheckTexts(string schema, string valid, string invalid)
    {
        foreach (bool space in (bool[])[false, true])
        {
            ITokenConstraint constraint = ConstraintChecks.Compiler.JsonSchema(schema, space);
            foreach ((string texts, bool expected) in ((string, bool)[])[(valid, true), (invalid, false)])
            {
                foreach (string document in texts.Split('|'))
                {
                    // As it stands, for a parsed document has lost what repeats.
                    string text = !space ? document : document.Replace(":", " : ", StringComparison.Ordinal).Replace("[", "[ ", StringComparison.Ordinal);
                    text = text.Contains('\\', StringComparison.Ordinal) || !space ? text : text.Replace(",", ",\n ", StringComparison.Ordinal);
                    Assert.True(ConstraintChecks.Accepts(constraint, text) == expected, $"{schema} should {(expected ? "accept" : "refuse")} {text}");
                    Assert.True(ConstraintChecks.AcceptsBytes(constraint, text) == expected, $"{schema} should {(expected ? "accept" : "refuse")} {text} in bytes");
                }
            }
        }
    }

    private static void Take(ITokenConstraint state, string text, bool allowed = true)
    {
        TokenMask mask = new(ConstraintChecks.Tokenizer.VocabularySize);
        ITokenConstraint tried = state.Fork();
        foreach (int token in ConstraintChecks.Tokenizer.Encode(text))
        {
            tried.Allow(mask);
            if (!mask[token])
            {
                Assert.False(allowed, text);
                Assert.Throws<InvalidOperationException>(() => tried.Accept(token));
                return;
            }
            tried.Accept(token);
            if (allowed)
            {
                state.Accept(token);
            }
        }
        Assert.True(allowed, text);
    }

    private static void AssertDistinct(System.Text.Json.JsonElement document)
    {
        string[] elements = document.ValueKind == System.Text.Json.JsonValueKind.Object
            ? [.. document.EnumerateObject().Select(property => property.Name)]
            : [.. document.EnumerateArray().Select(item => System.Text.Json.JsonSerializer.Serialize(item))];
        Assert.Equal(elements.Length, elements.Distinct(StringComparer.Ordinal).Count());
    }
}
