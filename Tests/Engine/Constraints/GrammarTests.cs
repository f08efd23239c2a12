using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Constraints;

namespace Llama4Kernels.Tests.Engine.Constraints;

/// <summary>Grammars in Lark's notation: which texts belong to them, and what is refused where.</summary>
public class GrammarTests
{
    private static readonly ConstraintCompiler s_compiler = ConstraintChecks.Compiler;

    [Theory]
    [InlineData("start: \"a\" \"b\"?", "a|ab", "|b|abb|aa")]
    [InlineData("start: (\"a\" | \"b\")* \"c\"", "c|abac", "|ab|cc")]
    [InlineData("start: item~2..3\nitem: \"x\" | \"yy\"", "xx|xyy|yyyyyy|xxx", "x|xxxx")]
    [InlineData("start: \"x\"{2} \"y\"{,2} \"z\"{1,}", "xxz|xxyyzzz|xxyz", "xx|xyz|xxyyyz")]
    [InlineData("start: [\"a\"] \"0\"..\"9\"", "a5|0", "aa|10|")]
    [InlineData("start: A B\nA: /[a-c]+/\nB: A \"-\" /[0-9]{2}/", "aab-12|ca-00", "a-12|ab-1|b")]
    // Every way to read the text counts, the shorter terminal too.
    [InlineData("start: W \"a\"\nW: /[a-z]+/", "xa|aa|xaaa", "a|x")]
    [InlineData("start: \"Yes\"i \"!\"", "yes!|YES!|yEs!", "Yes|yés!")]
    // Left recursion: direct, through another rule, through an empty one, and in a ring with a way out.
    [InlineData("?start: sum\n?sum: sum \"+\" term -> add\n    | term\nterm: term \"*\" /[0-9]+/ | /[0-9]/ | \"(\" sum \")\"", "1|1+2*33|(1+(2))*4+5", "|12|1+|(1|1)|+1")]
    [InlineData("start: a\na: b \"x\" | \"p\"\nb: a \"y\" | \"q\"", "p|qx|pyx|qxyx", "q|px|py|qxy")]
    [InlineData("start: empty start \"x\" | \"y\"\nempty: \"e\"?", "y|yx|eyx|eyxx|eeyxx", "|x|ey|eeyx")]
    [InlineData("start: start | \"a\" start | \"b\"", "b|ab|aab", "a|ba|bb")]
    [InlineData("start: start start | \"a\" | ", "|a|aaaa", "b|ab")]
    // Nested, and what the empty text makes of repeats.
    [InlineData("start: \"(\" start* \")\"", "()|(()())|(((())))", "|(|())|)(")]
    [InlineData("start: (\"a\"? \"b\"?)*", "|a|b|abba|bb", "c|ac")]
    [InlineData("start: e \"x\" e\ne: ", "x", "|xx")]
    [InlineData("start: ", "", "a")]
    [InlineData("start: \"\"", "", "a")]
    // What can never be completed is no way on.
    [InlineData("start: \"a\" | \"b\" never\nnever: \"c\" never", "a", "b|bc")]
    [InlineData("%import common.INT\n%import common (WS, CNAME)\n%import common.NUMBER -> N\nstart: INT \",\" CNAME \",\" N\n%ignore WS", "1,a,2.5|12 , _x\n,3 |  7,b,.5", "1|a,1,2|1 2,a,3")]
    [InlineData("start: \"a\" %json {\"type\": \"object\", \"properties\": {\"x\": {\"enum\": [1, \"}\"]}}, \"required\": [\"x\"], \"additionalProperties\": false} \"b\"", "a{\"x\":1}b|a{\"x\":\"}\"}b", "a{}b|a{\"x\":2}b|a{\"x\":1}")]
    [InlineData("// A comment\nstart: \"é\" /[à-ü]\\/\\n/ \"\\u00e9\\x41\\\"\" # another\n     | \"世\"", "éà/\néA\"|世", "é|世界")]
    public void TextsBelongOrNot(string grammar, string members, string others)
    {
        ITokenConstraint constraint = s_compiler.Grammar(grammar);
        Assert.All(members.Split('|'), text => Assert.True(ConstraintChecks.Accepts(constraint, text), text));
        Assert.All(others.Split('|'), text => Assert.False(ConstraintChecks.Accepts(constraint, text), text));
    }

    [Fact]
    public void LeftRecursionStaysCheapOverLongTexts()
    {
        ITokenConstraint constraint = s_compiler.Grammar("start: sum\nsum: sum \"+\" product | product\nproduct: product \"*\" atom | atom\natom: /[0-9]/ | \"(\" sum \")\"");
        string text = string.Join('+', Enumerable.Repeat("1*(2+3*(4))", 400));
        Assert.True(ConstraintChecks.Accepts(constraint, text));
        Assert.False(ConstraintChecks.Accepts(constraint, text + "+"));
    }

    [Theory]
    [InlineData("", "", "no rule start")]
    [InlineData("begin: \"a\"", "", "no rule start")]
    [InlineData("start: other", "line 1, column 8", "other is not defined")]
    [InlineData("start: \"a\"\n  OTHER", "line 2, column 3", "OTHER is not defined")]
    [InlineData("start: \"a\"\nstart: \"b\"", "line 2, column 1", "defined twice")]
    [InlineData("start: \"a", "line 1, column 8", "does not end")]
    [InlineData("start: /a", "line 1, column 8", "does not end")]
    [InlineData("start: /a/i", "line 1, column 11", "flag i")]
    [InlineData("start: /a(/", "line 1, column 8", "group")]
    [InlineData("start: /a$/", "line 1, column 8", "anchors")]
    [InlineData("start: (\"a\"", "line 1, column 12", "')' is needed")]
    [InlineData("start: \"a\" )", "line 1, column 12", "needed")]
    [InlineData("start: * \"a\"", "line 1, column 8", "needed here")]
    [InlineData("start: \"a\"~3..2", "line 1, column 11", "wrong order")]
    [InlineData("start: \"a\"~99999999999", "line 1, column 12", "number of repeats")]
    [InlineData("start: \"a\"~1000000", "line 1, column 11", "repeats more than")]
    [InlineData("start: \"ab\"..\"c\"", "line 1, column 8", "range")]
    [InlineData("start: \"\\q\"", "line 1, column 10", "escape")]
    [InlineData("start: A\nA: \"a\" start", "line 2, column 8", "is a rule")]
    [InlineData("start: A\nA: \"a\" B\nB: A?", "line 3, column 4", "holds itself")]
    [InlineData("start: \"a\" start", "", "no text belongs")]
    [InlineData("start: start \"a\"", "", "no text belongs")]
    [InlineData("start.2: \"a\"", "line 1, column 6", "priorities")]
    [InlineData("start: \"a\"\npair{x}: x", "line 2, column 6", "number is needed")]
    [InlineData("%declare A\nstart: \"a\"", "line 1, column 1", "%declare is not supported")]
    [InlineData("%import other.A\nstart: \"a\"", "line 1, column 9", "common")]
    [InlineData("%import common.NOPE\nstart: \"a\"", "line 1, column 16", "NOPE")]
    [InlineData("start: <|eot|>", "line 1, column 8", "special tokens")]
    [InlineData("start: %json {\"type\": 1}", "#", "type")]
    [InlineData("start: %json {\"type\"", "line 1, column 8", "%json")]
    [InlineData("start: A\nA: %json {}", "line 2, column 4", "terminal cannot")]
    [InlineData("start: =", "line 1, column 8", "no meaning")]
    public void WhatIsWrongIsNamedWithItsPlace(string grammar, string place, string reason)
    {
        ConstraintException error = Assert.Throws<ConstraintException>(() => s_compiler.Grammar(grammar));
        Assert.StartsWith(place, error.Place, StringComparison.Ordinal);
        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void SizesAreBounded()
    {
        Assert.Throws<ConstraintException>(() => s_compiler.Grammar("start: " + new string('(', 100_000)));
        Assert.Throws<ConstraintException>(() => s_compiler.Grammar("start: \"a\"" + new string('?', 100_000)));
        Assert.Throws<ConstraintException>(() => s_compiler.Grammar("start: ((((\"a\"~100)~100)~100)~100)~100"));
        Assert.Throws<ConstraintException>(() => s_compiler.Grammar("start: A\nA: ((((\"a\"~100)~100)~100)~100)~100"));
        string chain = "start: r0\n" + string.Concat(Enumerable.Range(0, 20_000).Select(i => $"r{i}: r{i + 1} | \"{i}\"\n")) + "r20000: \"z\"";
        Assert.Throws<ConstraintException>(() => ConstraintChecks.Accepts(s_compiler.Grammar(chain), "19999"));
        string terminals = "start: A0\n" + string.Concat(Enumerable.Range(0, 20_000).Select(i => $"A{i}: A{i + 1} \"x\"\n")) + "A20000: \"z\"";
        Assert.Throws<ConstraintException>(() => s_compiler.Grammar(terminals));
    }
}
