using System.Text.Json.Nodes;
using CsCheck;
using Llama4Kernels.Engine.Chat;

namespace Llama4Kernels.Tests.Engine.Chat;

public sealed class ToolCallParserTests
{
    private static readonly string[] s_fragments =
    [
        "[", "]", "(", ")", "{", "}", "f", "=", ",", ":", "'", "\"", "\"\"\"", "\\", "1", "_", "0x", ".", "e", "-", "#",
        "\n", " ", "None", "name", "parameters", "<function=", ">", ".call(query=\"", "<|python_start|>", "<|eot|>",
        "\ud800", "é", "r",
    ];

    [Theory]
    [InlineData("'a'", "\"a\"")]
    [InlineData("\"\"\"a\n\"b\" \"\"\"", "\"a\\n\\\"b\\\" \"")]
    [InlineData("r'\\d\\''", "\"\\\\d\\\\'\"")]
    [InlineData("u'x' R\"y\"", "\"xy\"")]
    [InlineData("'\\x41\\101\\u00e9\\U0001f642\\q\\\n!'", "\"AA\\u00e9\\ud83d\\ude42\\\\q!\"")]
    [InlineData("- 5", "-5")]
    [InlineData("+.5", "0.5")]
    [InlineData("-0", "0")]
    [InlineData("00", "0")]
    [InlineData("0b101", "5")]
    [InlineData("0o17", "15")]
    [InlineData("0XfF", "255")]
    [InlineData("1_0.5E+1_0", "105000000000.0")]
    [InlineData("123456789012345678901234567890", "123456789012345678901234567890")]
    [InlineData("(1)", "1")]
    [InlineData("(1,)", "[1]")]
    [InlineData("()", "[]")]
    [InlineData("([1],)", "[[1]]")]
    [InlineData("{1: 2, None: 'x', True: [], 'a': 1, 'a': 2}", "{\"1\": 2, \"null\": \"x\", \"true\": [], \"a\": 2}")]
    [InlineData("[ # comment ]\n 1, # more\n]", "[1]")]
    public void PythonLiterals(string literal, string json)
    {
        AssistantAnswer answer = ToolCallParser.Parse($"[f(x={literal})]");
        ToolCall call = Assert.Single(answer.ToolCalls);
        Assert.Equal($"{{\"x\": {json}}}", PythonJson.Dumps(call.Arguments));
        Assert.Empty(answer.Content);
    }

    [Theory]
    [InlineData("'a")]
    [InlineData("'a\n'")]
    [InlineData("'''a'")]
    [InlineData("'\\x4'")]
    [InlineData("'\\U00110000'")]
    [InlineData("'\\N{DASH}'")]
    [InlineData("b'a'")]
    [InlineData("f'a'")]
    [InlineData("1j")]
    [InlineData("1 2")]
    [InlineData("07")]
    [InlineData("1__0")]
    [InlineData("1_")]
    [InlineData("0x")]
    [InlineData("0xg")]
    [InlineData("0b2")]
    [InlineData("--1")]
    [InlineData("1e999")]
    [InlineData("-")]
    [InlineData("{1, 2}")]
    [InlineData("{[1]: 2}")]
    [InlineData("{'a'}")]
    [InlineData("(,)")]
    [InlineData("[1 2]")]
    [InlineData("nan")]
    [InlineData("")]
    public void NoPythonLiterals(string literal)
    {
        string text = $"[f(x={literal})]";
        AssistantAnswer answer = ToolCallParser.Parse(text);
        Assert.Empty(answer.ToolCalls);
        Assert.Equal(text, answer.Content);
    }

    [Theory]
    [InlineData("[if(x=1)]")]
    [InlineData("[None(x=1)]")]
    [InlineData("[1f(x=1)]")]
    [InlineData("[f(x=1)")]
    [InlineData("[f(x 1)]")]
    [InlineData("[f(for=1)]")]
    [InlineData("[f(x=1) g(y=2)]")]
    [InlineData("[,]")]
    [InlineData("# [f(x=1)]")]
    [InlineData("  \n  [f(x=1)]")]
    [InlineData("x.call(query=\"a)")]
    [InlineData(".call(query=\"a\")")]
    [InlineData("<function=>{}")]
    [InlineData("<function=f>{\"x\": }")]
    [InlineData("<function=f>{\"x\": \"\\ud800\"}")]
    [InlineData("{\"name\": 1, \"parameters\": {}}")]
    [InlineData("{\"name\": \"brave_search\", \"parameters\": {}}")]
    [InlineData("{\"name\": \"f\", \"parameters\": {\"\\udc00\": 1}}")]
    public void OrdinaryText(string text)
    {
        AssistantAnswer answer = ToolCallParser.Parse(text);
        Assert.Empty(answer.ToolCalls);
        Assert.Equal(text.Trim(' '), answer.Content);
    }

    [Fact]
    public void RepeatedJsonNamesKeepTheLast()
    {
        ToolCall call = Assert.Single(ToolCallParser.Parse("{\"name\": \"f\", \"parameters\": {\"x\": 1, \"x\": 2}}").ToolCalls);
        Assert.Equal("{\"x\": 2}", PythonJson.Dumps(call.Arguments));
    }

    [Fact]
    public void CodeKeepsItsOwnArgument()
    {
        ToolCall call = Assert.Single(ToolCallParser.Parse("[code_interpreter(code=\"1+1\")]").ToolCalls);
        Assert.Equal("{\"code\": \"1+1\"}", PythonJson.Dumps(call.Arguments));
    }

    [Fact]
    public void FinishReasonOfTheCallerHoldsWithoutAnEndToken()
    {
        Assert.Equal(FinishReason.EndOfTurn, ToolCallParser.Parse("x", FinishReason.EndOfTurn).FinishReason);
        Assert.Equal(FinishReason.EndOfMessage, ToolCallParser.Parse("x<|eom|>", FinishReason.EndOfTurn).FinishReason);
    }

    [Fact]
    public void BrokenTagAmongOthersLeavesTheOthers()
    {
        AssistantAnswer answer = ToolCallParser.Parse("<function=a>{'x': <function=b>{\"y\": {\"z\": 2}}</function><function=c>{");
        Assert.Equal("b", Assert.Single(answer.ToolCalls).Name);
    }

    [Fact]
    public void WrittenCallsParseBack() =>
        Gen.Select(Gen.String[Gen.Char["ab\\é\n{}[]"], 0, 8], Gen.Int, Gen.Double.Where(double.IsFinite), Gen.Bool)
            .Sample((text, number, real, flag) =>
            {
                JsonObject arguments = new()
                {
                    ["t"] = text,
                    ["n"] = number,
                    ["r"] = real,
                    ["l"] = new JsonArray(flag, null, new JsonObject()),
                };
                string written = ToolCallWriter.Write(new ToolCall("f", arguments), ToolPromptFormat.Json);
                string tag = ToolCallWriter.Write(new ToolCall("f", arguments), ToolPromptFormat.FunctionTag);
                string expected = PythonJson.Dumps(arguments);
                return ParsesTo(written, expected) && ParsesTo(tag, expected);
            });

    [Fact]
    public void NoTextIsAnError() =>
        Gen.Int[0, s_fragments.Length - 1].Select(index => s_fragments[index])
            .Array[0, 30]
            .Sample(parts => ToolCallParser.Parse(string.Concat(parts)) is not null);

    [Theory]
    [InlineData("[f(x=", "[")]
    [InlineData("[f(x=", "(")]
    [InlineData("[f(x=", "{'a':")]
    [InlineData("", "{\"a\":")]
    [InlineData("[f(x=", "9")]
    [InlineData("", "<function=f>{\"")]
    [InlineData("", "<function=f>{'x':1,")]
    [InlineData("", "a.call(query=\"")]
    [InlineData("", "#\n")]
    public void LongNonsenseEndsSoon(string start, string repeated)
    {
        string text = start + string.Concat(Enumerable.Repeat(repeated, 20_000)) + "}";
        Assert.Empty(ToolCallParser.Parse(text).ToolCalls);
    }

    private static bool ParsesTo(string text, string arguments) =>
        ToolCallParser.Parse(text).ToolCalls is [{ Name: "f" } call] && PythonJson.Dumps(call.Arguments) == arguments;
}
