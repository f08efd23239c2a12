using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Llama4Kernels.Engine.Tokenization;

namespace Llama4Kernels.Engine.Chat;

/// <summary>
/// Finds the tool calls in what the model wrote. No input is an error: what is no call is text. Give the declared tools
/// wherever calls are carried out: only then is prose that happens to look like a call, or to stand between the code marks,
/// left alone.
/// </summary>
internal static class ToolCallParser
{
    private const string AssistantHeader =
        Llama4SpecialTokens.HeaderStart + "assistant" + Llama4SpecialTokens.HeaderEnd + "\n\n";

    /// <summary>
    /// Takes apart an answer in a conversation with declared tools. A call is a Python list <c>[f(x=1), g()]</c>; a JSON object
    /// with name and parameters or arguments, alone, in an array or one after another; or
    /// <c>&lt;function=NAME&gt;{…}&lt;/function&gt;</c>: each with or without the code marks or a fence around it. A name that
    /// is not declared, an expression, a positional or repeated argument or an open bracket makes it text.
    /// </summary>
    /// <param name="text">The decoded answer, special tokens as their names.</param>
    /// <param name="tools">Names of the declared tools, possibly none.</param>
    /// <param name="codeInterpreter">Whether the conversation has the code interpreter: only then is what stands between the code marks, and is no call, code.</param>
    /// <param name="finishReason">Why it ended where the text has no end token.</param>
    /// <returns>The text around calls and code, the calls, the code, and why it ended.</returns>
    public static AssistantAnswer Parse(string text, IEnumerable<string> tools, bool codeInterpreter = false, FinishReason finishReason = FinishReason.Length)
    {
        ArgumentNullException.ThrowIfNull(text);
        ArgumentNullException.ThrowIfNull(tools);
        string content = text.StartsWith(AssistantHeader, StringComparison.Ordinal) ? text[AssistantHeader.Length..] : text;
        for (bool ended = false; StopTokens.EndOf(content.AsSpan().TrimEnd()) is { } end; ended = true)
        {
            content = content.TrimEnd()[..^end.Token.Length];
            finishReason = ended ? finishReason : end.Reason;
        }
        var reader = new ToolAnswerReader(tools, codeInterpreter);
        (string around, IReadOnlyList<ToolCall> calls) = reader.End(content);
        return new AssistantAnswer(around, calls, finishReason, reader.Code);
    }

    /// <summary>
    /// Takes an answer apart as Meta's parser does, which knows no declared tools. In order:
    /// <c>&lt;function=NAME&gt;{json}</c>; a JSON object with name and parameters; a Python list of calls with keyword
    /// arguments; <c>NAME.call(query="…")</c>; what stands after the code mark, as a call of the code interpreter, prose
    /// included.
    /// </summary>
    /// <param name="text">The decoded answer, special tokens as their names.</param>
    /// <param name="finishReason">Why it ended where the text has no end token.</param>
    /// <returns>The text or the calls, and why it ended.</returns>
    public static AssistantAnswer Parse(string text, FinishReason finishReason = FinishReason.Length)
    {
        ArgumentNullException.ThrowIfNull(text);
        string content = text.Trim(' ');
        if (content.StartsWith(AssistantHeader, StringComparison.Ordinal))
        {
            content = content[AssistantHeader.Length..];
        }
        bool isCode = content.StartsWith(Llama4SpecialTokens.PythonStart, StringComparison.Ordinal);
        if (isCode)
        {
            content = content[Llama4SpecialTokens.PythonStart.Length..]
                .Replace(Llama4SpecialTokens.PythonEnd, string.Empty, StringComparison.Ordinal);
        }
        if (content.EndsWith(Llama4SpecialTokens.EndOfTurn, StringComparison.Ordinal))
        {
            content = content[..^Llama4SpecialTokens.EndOfTurn.Length];
            finishReason = FinishReason.EndOfTurn;
        }
        else if (content.EndsWith(Llama4SpecialTokens.EndOfMessage, StringComparison.Ordinal))
        {
            content = content[..^Llama4SpecialTokens.EndOfMessage.Length];
            finishReason = FinishReason.EndOfMessage;
        }
        List<ToolCall> calls = FindCalls(content, isCode);
        return new AssistantAnswer(calls.Count > 0 ? string.Empty : content, calls, finishReason);
    }

    private static List<ToolCall> FindCalls(string content, bool isCode)
    {
        List<ToolCall> calls = FindFunctionTags(Encoding.UTF8.GetBytes(content));
        if (calls.Count == 0)
        {
            if (ModelJson.TryParse(content, out JsonNode? json))
            {
                calls = FromJson(json);
            }
            else if (PythonCallList.TryParse(content) is List<ToolCall> list)
            {
                calls = list;
            }
        }
        calls = [.. calls.Select(Normalize).OfType<ToolCall>()];
        if (calls.Count == 0 && FindQueryCall(content) is ToolCall query)
        {
            calls.Add(query);
        }
        if (calls.Count == 0 && isCode)
        {
            calls.Add(new ToolCall(ToolCallWriter.CodeInterpreter, new JsonObject { ["code"] = content }));
        }
        return calls;
    }

    /// <summary>A built-in tool keeps one argument under its own name; without any it is no call.</summary>
    private static ToolCall? Normalize(ToolCall call)
    {
        bool isCode = call.Name == ToolCallWriter.CodeInterpreter;
        if ((!isCode && !ToolCallWriter.IsQueryTool(call.Name)) || call.Arguments is not JsonObject arguments)
        {
            return call;
        }
        return arguments.Count == 0
            ? null
            : call with { Arguments = new JsonObject { [isCode ? "code" : "query"] = arguments.First().Value?.DeepClone() } };
    }

    private static List<ToolCall> FindFunctionTags(ReadOnlySpan<byte> text)
    {
        List<ToolCall> calls = [];
        while (text.IndexOf("<function="u8) is >= 0 and int start)
        {
            text = text[(start + "<function="u8.Length)..];
            int nameLength = text.IndexOfAny((byte)'>', (byte)'<', (byte)'}');
            if (nameLength <= 0 || text[nameLength] != '>' || !text[(nameLength + 1)..].StartsWith("{"u8))
            {
                continue;
            }
            ReadOnlySpan<byte> body = text[(nameLength + 1)..];
            int firstClose = body.IndexOf((byte)'}');
            if (firstClose < 0)
            {
                break;
            }
            // Models also write Python's quotes. Meta's parser reads up to the first brace with the quotes replaced.
            if (ModelJson.TryParsePrefix(body, out JsonNode? arguments, out int consumed)
                || TryParseQuoted(body[..(firstClose + 1)], out arguments, out consumed))
            {
                calls.Add(new ToolCall(Encoding.UTF8.GetString(text[..nameLength]), arguments!));
                text = body[consumed..];
            }
        }
        return calls;
    }

    private static bool TryParseQuoted(ReadOnlySpan<byte> body, out JsonNode? arguments, out int consumed)
    {
        // Another tag before the brace means that this one is broken; it also keeps many broken tags linear.
        if (body.IndexOf("<function="u8) >= 0)
        {
            (arguments, consumed) = (null, 0);
            return false;
        }
        byte[] replaced = body.ToArray();
        replaced.AsSpan().Replace((byte)'\'', (byte)'"');
        return ModelJson.TryParsePrefix(replaced, out arguments, out consumed) && consumed == body.Length;
    }

    private static List<ToolCall> FromJson(JsonNode? json) =>
        json is JsonObject members
            && members["name"] is JsonValue name && name.GetValueKind() == JsonValueKind.String
            && members["parameters"] is JsonNode parameters
            ? [new ToolCall(name.GetValue<string>(), parameters.DeepClone())]
            : [];

    private static ToolCall? FindQueryCall(string text)
    {
        const string Opening = ".call(query=\"";
        for (int from = 0; text.IndexOf(Opening, from, StringComparison.Ordinal) is >= 0 and int dot;)
        {
            int start = dot;
            while (start > from && (char.IsLetterOrDigit(text[start - 1]) || text[start - 1] == '_'))
            {
                start--;
            }
            from = dot + Opening.Length;
            int end = text.IndexOf('"', from);
            if (start < dot && end >= 0 && end + 1 < text.Length && text[end + 1] == ')')
            {
                return new ToolCall(text[start..dot], new JsonObject { ["query"] = text[from..end] });
            }
        }
        return null;
    }
}
