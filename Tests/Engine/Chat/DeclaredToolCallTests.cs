using System.Text;
using System.Text.Json.Nodes;
using CsCheck;
using Llama4Kernels.Engine.Chat;

namespace Llama4Kernels.Tests.Engine.Chat;

/// <summary>Answers in conversations with declared tools: what is a call, what is code, and what stays text.</summary>
public sealed class DeclaredToolCallTests
{
    private static readonly string[] s_tools = ["now", "note", "search.web", "unit-convert", "from"];

    private static AssistantAnswer Parse(string text, bool interpreter = false) => ToolCallParser.Parse(text, s_tools, interpreter);

    private static string Show(AssistantAnswer answer) =>
        string.Join(' ', answer.ToolCalls.Select(call => call.Name + PythonJson.Dumps(call.Arguments))) + (answer.Code is null ? "" : $" code:{answer.Code}") + (answer.Content.Length == 0 ? "" : $" | {answer.Content}");

    [Theory]
    // Lists.
    [InlineData("[now()]", "now{}")]
    [InlineData("[ now ( ) , ]", "now{}")]
    [InlineData("[now(), note(text='a',)]", "now{} note{\"text\": \"a\"}")]
    [InlineData("[now()][note(text='a')]", "now{} note{\"text\": \"a\"}")]
    [InlineData("[now()]; [now()];", "now{} now{}")]
    [InlineData("[note(text=\"say \\\"[now()]\\\" }\")]", "note{\"text\": \"say \\\"[now()]\\\" }\"}")]
    [InlineData("[note(text='''a\n'b' \"c\"''')]", "note{\"text\": \"a\\n'b' \\\"c\\\"\"}")]
    [InlineData("[note(text=\"\\ud83d\\ude00 \\U0001F600 \u4f60\")]", "note{\"text\": \"\\ud83d\\ude00 \\ud83d\\ude00 \\u4f60\"}")]
    [InlineData("[note(class=1, text={'a': [True, null, (1, 2)]})]", "note{\"class\": 1, \"text\": {\"a\": [true, null, [1, 2]]}}")]
    [InlineData("[from(x=-1e308, y=1E5, z=0x1F)]", "from{\"x\": -1e+308, \"y\": 100000.0, \"z\": 31}")]
    [InlineData("<|python_start|>[now()]", "now{}")]
    [InlineData("[now()]<|python_end|>", "now{}")]
    [InlineData("好的[now()]", "now{} | 好的")]
    [InlineData("Sure, [now()] it is.", "now{} | Sure,  it is.")]
    [InlineData("[note(text=\"a\" 'b')]", "note{\"text\": \"ab\"}")]
    [InlineData("[note(text=r\"a\\n\", other=u'\\x41\\101')]", "note{\"text\": \"a\\\\n\", \"other\": \"AA\"}")]
    [InlineData("[note(number=+5, large=1_000)]", "note{\"number\": 5, \"large\": 1000}")]
    [InlineData("[note(text=\"<|python_end|>\")]", "note{\"text\": \"<|python_end|>\"}")]
    [InlineData("[note(text=\"],(){}[\")] then [now()].", "note{\"text\": \"],(){}[\"} now{} | then .")]
    // JSON.
    [InlineData("{\"name\": \"note\", \"parameters\": {\"text\": \"a\\/b\"}}", "note{\"text\": \"a/b\"}")]
    [InlineData("{'name': 'now', 'arguments': {}}", "now{}")]
    [InlineData("{\"type\": \"function\", \"name\": \"now\", \"parameters\": null}", "now{}")]
    [InlineData("{\"name\": \"note\", \"arguments\": \" {\\\"text\\\": None} \"}", "note{\"text\": null}")]
    [InlineData("[{\"name\": \"now\"}, {\"name\": \"now\"}] {\"name\": \"now\"}", "now{} now{} now{}")]
    [InlineData("{\"name\": \"note\", \"parameters\": {\"n\": 123456789012345678901234567890}}", "note{\"n\": 123456789012345678901234567890}")]
    [InlineData("{\"name\":\"now\"},\n{\"name\":\"now\"}", "now{} now{}")]
    // Tags.
    [InlineData("<function=note>{'text': 'a'}</function>", "note{\"text\": \"a\"}")]
    [InlineData("a<function=now> {} </function>b<function=now>{}</function>", "now{} now{} | ab")]
    // Fences.
    [InlineData("```\n[now()]\n```", "now{}")]
    [InlineData("~~~~tool_call\n[now()]\n~~~~", "now{}")]
    [InlineData("```json\n{\"name\": \"note\", \"parameters\": {\"text\": \"```x```\"}}\n```", "note{\"text\": \"```x```\"}")]
    [InlineData("```json\n{\"name\": \"now\"}", "now{}")]
    [InlineData("```\n<|python_start|>[now()]<|python_end|>\n```", "now{}")]
    [InlineData("<|python_start|>```python\n[now()]\n```<|python_end|>", "now{}")]
    [InlineData("```json\n{\"name\": \"now\"}\n```\n```python\n[now()]\n```", "now{} now{}")]
    public void Calls(string text, string expected)
    {
        Assert.Equal(expected, Show(Parse(text)));
        Assert.Equal(expected, Show(Parse(text, interpreter: true)));
        Assert.Equal(FinishReason.EndOfTurn, Parse(text + "<|eot|>\n").FinishReason);
        Assert.Equal(expected, Show(Parse("<|header_start|>assistant<|header_end|>\n\n" + text + "<|eom|>")));
    }

    [Theory]
    [InlineData("[nothing()]")]
    [InlineData("[now(), nothing()]")]
    [InlineData("{\"name\": \"nothing\", \"parameters\": {\"name\": \"now\"}}")]
    [InlineData("{\"answer\": {\"name\": \"now\"}}")]
    [InlineData("[1, {\"name\": \"now\"}]")]
    [InlineData("<function=nothing>{\"name\": \"now\"}</function>")]
    [InlineData("<function=now>{}")]
    [InlineData("<function=now></function>")]
    [InlineData("<function=now>{\"a\": 1, \"a\": 2}</function>")]
    [InlineData("{\"name\": \"note\", \"parameters\": {}, \"arguments\": {}}")]
    [InlineData("{\"name\": \"note\", \"description\": \"Keeps a note.\", \"parameters\": {\"type\": \"object\"}}")]
    [InlineData("{\"name\": \"note\", \"text\": \"a\"}")]
    [InlineData("{\"name\": \"now\", \"name\": \"now\"}")]
    [InlineData("{\"name\": \"note\", \"type\": \"object\"}")]
    [InlineData("{\"name\": \"note\", \"parameters\": {\"o\": {\"a\": 1, \"a\": 2}}}")]
    [InlineData("{\"name\": \"note\", \"parameters\": [1]}")]
    [InlineData("{\"name\": \"note\", \"arguments\": \"[1]\"}")]
    [InlineData("{\"name\": \"note\", \"arguments\": \"{} x\"}")]
    [InlineData("{\"name\": \"note\", \"parameters\": {\"x\": 1e400}}")]
    [InlineData("{\"name\": \"note\", \"parameters\": {\"x\": NaN}}")]
    [InlineData("{\"name\": \"note\", \"parameters\": {\"x\": \"\\ud800\"}}")]
    [InlineData("[note(text=\"\\udc00\")]")]
    [InlineData("[note(text=inf)]")]
    [InlineData("[note(text=-Infinity)]")]
    [InlineData("[note(text=f'{x}')]")]
    [InlineData("[note(text=b'x')]")]
    [InlineData("[note(text='a' + 'b')]")]
    [InlineData("[note(text=now())]")]
    [InlineData("[note(text=[now()])]")]
    [InlineData("[note(**{'text': 'a'})]")]
    [InlineData("[note(text='] [now()]', text='b')]")]
    [InlineData("[now() for x in y]")]
    [InlineData("[now()][0]")]
    [InlineData("[now()](https://example.com)")]
    [InlineData("x[now()]")]
    [InlineData("x = [now()]")]
    [InlineData("print([now()])")]
    [InlineData("`[now()]`")]
    [InlineData("call = {\"name\": \"now\", \"parameters\": {\"a\": [{\"name\": \"now\"}]}}")]
    [InlineData("[{\"name\": \"now\"}")]
    [InlineData("[{\"name\": \"now\"},")]
    [InlineData("Now: [ { 'name': 'now', 'arguments': {} }, {\"name\"")]
    [InlineData("[now(), {\"name\": \"now\"}]")]
    [InlineData("{\"type\": \"function\", \"function\": {\"name\": \"now\", \"arguments\": \"{}\"}}")]
    [InlineData("{\"name\": \" now\"}")]
    [InlineData("{\"name\": \"note\", \"parameters\": {\"text\": \"two\nlines\"}}")]
    [InlineData("[note(number=01)]")]
    [InlineData("[note(text=\"a)]")]
    [InlineData("<function=now>{</function>")]
    [InlineData("[now(]")]
    [InlineData("[now()")]
    [InlineData("[now")]
    [InlineData("now()")]
    [InlineData("{\"name\": \"now\"")]
    [InlineData("```python\nprint([now()])\n```")]
    [InlineData("```\n[now()]\nThis gives the time.\n```")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("[[now()]]")]
    [InlineData("don't [see] {it}")]
    public void Text(string text)
    {
        Assert.Equal((0, null, text), (Parse(text).ToolCalls.Count, Parse(text).Code, Parse(text + "<|eot|>").Content));
        Assert.Empty(Parse(text, interpreter: true).ToolCalls);
    }

    [Theory]
    [InlineData("<|python_start|>print(2)<|python_end|>", "print(2)", "")]
    [InlineData("First: <|python_start|>\nx = [now()]\nx<|python_end|> Done.", "x = [now()]\nx", "First:  Done.")]
    [InlineData("<|python_start|>```python\nprint(2)\n```<|python_end|>", "print(2)", "")]
    [InlineData("<|python_start|>a<|python_end|><|python_start|>b", "a\nb", "")]
    [InlineData("<|python_start|>Let me think.<|python_end|>", "Let me think.", "")]
    public void CodeNeedsTheInterpreter(string text, string code, string around)
    {
        AssistantAnswer answer = Parse(text, interpreter: true);
        Assert.Equal((code, around, 0), (answer.Code, answer.Content, answer.ToolCalls.Count));
        AssistantAnswer without = Parse(text);
        Assert.Null(without.Code);
        Assert.DoesNotContain("python_", without.Content, StringComparison.Ordinal);
    }

    [Fact]
    public void CallsAndCodeStandSideBySide() =>
        Assert.Equal("now{} code:print(1) | a", Show(Parse("a<|python_start|>[now()]<|python_end|><|python_start|>print(1)<|python_end|>", interpreter: true)));

    [Fact]
    public void ABrokenCallInOneBlockLeavesTheNextBlock() =>
        Assert.Equal("now{}", Show(Parse("<|python_start|>[now()]<|python_end|><|python_start|>[]<|python_end|>")).Split(" |")[0]);

    [Fact]
    public void WithoutToolsEverythingIsText() =>
        Assert.Equal("[now()]", ToolCallParser.Parse("[now()]<|eot|>", []).Content);

    [Fact]
    public void NamesNeedNotBePython()
    {
        AssistantAnswer answer = ToolCallParser.Parse("[server/read file(path=\"a\"), import(x=1)]", ["server/read file", "import"]);
        Assert.Equal(["server/read file", "import"], answer.ToolCalls.Select(call => call.Name));
        Assert.Equal("now{\"max-results\": 1, \"$top\": [2]}", Show(Parse("[now(max-results=1, $top = [2])]")));
    }

    [Fact]
    public void TheWorkIsBounded()
    {
        const int Length = 200_000;
        foreach (string piece in (string[])["[", "{", "(", "[1,", "[#", "[1,#", "[\"", "['", "[\"\"\"", "[now(", "[now(x=[", "{\"a\":", "{\"name\":\"now\"}", "[now()]", "<function=", "<function=now>", "<function=now>{", "```", "`", "~~~", "```\n[now()]", "<|python_start|>", "<|python_start|>[", "<|python_start|>```", "<|python_end|>", "\"[", "x[", "= {", "[a", "{a'", "[now(a='", "\\\"[now(", "'\\'", "['\\'", "<|python_start|>[now()]", "<function=now>{}", "[now()], "])
        {
            // The last sign makes every attempt that reached the end a failed one.
            string text = new StringBuilder().Insert(0, piece, Length / piece.Length).Append('x').ToString();
            foreach (bool interpreter in (bool[])[false, true])
            {
                AssistantAnswer answer = Parse(text, interpreter);
                Assert.True(answer.Content.Length <= text.Length, piece);
            }
        }
    }

    [Fact]
    public void NestingIsBounded()
    {
        string deep = new StringBuilder().Insert(0, "[", 100_000).Append("now()").Insert(100_005, "]", 100_000).ToString();
        Assert.Empty(Parse(deep).ToolCalls);
        Assert.Empty(Parse("{\"name\": \"note\", \"parameters\": {\"x\": " + deep + "}}").ToolCalls);
        string fair = new string('[', 50) + new string(']', 50);
        Assert.Single(Parse("[note(text=" + fair + ")]").ToolCalls);
    }

    [Fact]
    public void AnyTextIsAnAnswerAndNothingIsLost()
    {
        string[] parts = ["[", "]", "{", "}", "(", ")", "now", "note", "now()", "text=", "\"", "'", "\\", ",", ";", ":", "\n", " ", "1", "true", "None", "\"name\"", "\"now\"", "\"parameters\"", "<function=", ">", "</function>", "```", "json", "<|python_start|>", "<|python_end|>", "<|eot|>", "\ud800", "é", "[now()]", "{\"name\":\"now\"}"];
        Gen.Int[0, parts.Length - 1].Select(i => parts[i]).Array[0, 24].Sample(
            pieces =>
            {
                string text = string.Concat(pieces);
                AssistantAnswer answer = Parse(text);
                // Calls name declared tools and can be written down; text without calls keeps every sign but marks and ends.
                return answer.ToolCalls.All(call => s_tools.Contains(call.Name) && JsonNode.Parse(call.Arguments.ToJsonString()) is JsonObject)
                    && (answer.ToolCalls.Count > 0 || Plain(answer.Content) == Plain(text));
            },
            iter: Fuzzing.Iterations(20_000),
            threads: 1);
    }

    private static string Plain(string text)
    {
        foreach (string mark in (string[])["<|python_start|>", "<|python_end|>", "<|eot|>"])
        {
            text = text.Replace(mark, "", StringComparison.Ordinal);
        }
        return string.Concat(text.Where(sign => !char.IsWhiteSpace(sign)));
    }
}
