using System.Text;
using CsCheck;
using Llama4Kernels.Engine.Chat;

namespace Llama4Kernels.Tests.Engine.Chat;

/// <summary>Answers with declared tools as they come: how they are cut into pieces changes nothing, and text does not wait for their end.</summary>
public sealed class ToolAnswerStreamTests
{
    private static readonly string[] s_tools = ["now", "note", "search.web", "server/read file"];

    private static readonly string[] s_parts =
    [
        "[", "]", "{", "}", "(", ")", "now", "note", "now()", "text=", "\"", "'", "\"\"\"", "\\", "\\u00e9", ",", ";", ":", "#", "\n", " ", "  ", "1", "0x1", "1e", "-", "true", "None",
        "r", "\"name\"", "\"now\"", "\"parameters\"", "<function=", "now>", ">", "{}", "</function>", "```", "~~~~", "`", "json", "<|python_start|>", "<|python_end|>", "\ud800", "é",
        "[now()]", "[note(text='a')]", "{\"name\":\"now\"}", "<function=now>{}</function>", "```\n[now()]\n```", "```\nx\n```", "server/read file(", "Text. ",
    ];

    [Theory]
    // What was fed, and what is given before the end.
    [InlineData("Let me see", "Let me see")]
    [InlineData("Let me see. ", "Let me see.")]
    [InlineData("An array [0, 1] has [two", "An array [0, 1] has")]
    [InlineData("See [the page](https://example.com), please", "See [the page](https://example.com), please")]
    [InlineData("Look:\n[now(", "Look:")]
    [InlineData("Look:\n[no", "Look:")]
    [InlineData("Look:\n[never mind", "Look:")]
    [InlineData("```python\nx = [now()]\n", "```python\nx = [now()]")]
    [InlineData("```json\n{\"na", "")]
    [InlineData("```json\n{\"name\": \"now\"}\n```\nDone", "|now{}|Done")]
    [InlineData("[now()] and", "|now{}|and")]
    [InlineData("[now()], [note(text='a')] ", "|now{}||note{\"text\": \"a\"}|")]
    [InlineData("a < b and <", "a < b and")]
    [InlineData("It is <|python_", "It is")]
    [InlineData("```\nIt is <|python_", "```\nIt is")]
    public void NothingWaitsThatIsCertain(string text, string expected)
    {
        var reader = new ToolAnswerReader(s_tools);
        Assert.Equal(expected, Feed(reader, text.Select(sign => sign.ToString())));
    }

    [Theory]
    [InlineData("[note(text=\"a", "b\")]", "|note{\"text\": \"ab\"}|")]
    [InlineData("[now()]", "(x)", "[now()](x)")]
    [InlineData("{\"name\": \"now\"", ", \"text\": 1}", "{\"name\": \"now\", \"text\": 1}")]
    [InlineData("[now()", "", "[now()")]
    [InlineData("  a  ", "", "  a  ")]
    [InlineData("a \n", "[now()]", "a|now{}|")]
    [InlineData("[now()]; ", "b", "|now{}|b")]
    [InlineData("<|python_start|>[now()]", "<|python_end|> ", "|now{}|")]
    public void WhatFollowsDecides(string first, string second, string expected)
    {
        var reader = new ToolAnswerReader(s_tools);
        string given = Feed(reader, [first]);
        Assert.Equal(expected, given + Show(reader.End(second)));
    }

    [Fact]
    public void HowAnAnswerIsCutChangesNothing()
    {
        Gen.Int[0, s_parts.Length - 1].Select(i => s_parts[i]).Array[0, 20].Select(Gen.Int[1, 9], Gen.Bool).Sample(
            (pieces, length, interpreter) =>
            {
                string text = string.Concat(pieces);
                var whole = new ToolAnswerReader(s_tools, interpreter);
                (string content, IReadOnlyList<ToolCall> calls) = whole.End(text);
                var cut = new ToolAnswerReader(s_tools, interpreter);
                var streamed = new StringBuilder();
                List<ToolCall> found = [];
                for (int at = 0; at < text.Length; at += length)
                {
                    (string part, IReadOnlyList<ToolCall> some) = cut.Feed(text.Substring(at, Math.Min(length, text.Length - at)));
                    streamed.Append(part);
                    found.AddRange(some);
                }
                (string rest, IReadOnlyList<ToolCall> last) = cut.End();
                streamed.Append(rest);
                found.AddRange(last);
                string joined = streamed.ToString();
                // Blanks at the very start are given before anybody knows of calls.
                bool same = calls.Count > 0 || whole.Code is not null ? joined.TrimStart() == content : joined == content;
                return same && whole.Code == cut.Code && found.Select(Show).SequenceEqual(calls.Select(Show));
            },
            iter: Fuzzing.Iterations(20_000),
            threads: 1,
            print: sample => $"{string.Concat(sample.Item1)} ({sample.Item2}, {sample.Item3})");
    }

    /// <summary>Half a million signs in small pieces, with signs that might close the call in each: re-reading all at each would take minutes.</summary>
    [Fact]
    public void ALongCallIsReadAFewTimesOnly()
    {
        var reader = new ToolAnswerReader(s_tools);
        string argument = string.Concat(Enumerable.Repeat("if (a[0]) { b('x'); }\\n", 20_000));
        string text = "[note(text=\"" + argument + "\")] x";
        List<ToolCall> calls = [];
        for (int at = 0; at < text.Length; at += 30)
        {
            calls.AddRange(reader.Feed(text.Substring(at, Math.Min(30, text.Length - at))).Calls);
        }
        calls.AddRange(reader.End().Calls);
        Assert.Equal(argument.Replace("\\n", "\n", StringComparison.Ordinal), Assert.Single(calls).Arguments["text"]!.GetValue<string>());
    }

    private static string Feed(ToolAnswerReader reader, IEnumerable<string> pieces) => string.Concat(pieces.Select(piece => Show(reader.Feed(piece))));

    private static string Show((string Content, IReadOnlyList<ToolCall> Calls) part) => string.Concat(part.Calls.Select(call => $"|{Show(call)}|")) + part.Content;

    private static string Show(ToolCall call) => call.Name + PythonJson.Dumps(call.Arguments);
}
