using System.CommandLine;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Llama4Kernels.Cli.Shared;
using Llama4Kernels.Engine.Chat;

namespace Llama4Kernels.Cli.Commands;

/// <summary><c>parse-answer</c>: takes answers apart into text, tool calls and code, without a model.</summary>
internal static class ParseAnswerCommand
{
    private static readonly JsonSerializerOptions s_json = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static Command Create(CommandConsole console)
    {
        var answer = new Argument<string?>("answer") { Description = "The answer, special tokens as their names; or --batch.", Arity = ArgumentArity.ZeroOrOne };
        var tools = new Option<string?>("--tools") { Description = "JSON list of the tools that were declared (OpenAI's form, bare functions or MCP's). Without it answers are read as by Meta's parser, which knows no tools." };
        var interpreter = new Option<bool>("--code-interpreter") { Description = "The conversation had the code interpreter; in rows the field code_interpreter says so. Needs --tools." };
        var batch = new Option<string?>("--batch") { Description = "JSON lines with text and, as wanted, name and code_interpreter." };
        var output = new Option<string?>("--out", "-o") { Description = "File for the rows with name, content, calls and code; without it they are printed." };
        var command = new Command("parse-answer", "Takes a model's answers apart into text, tool calls and code; needs no model.") { answer, tools, interpreter, batch, output };
        command.SetAction(parsed =>
        {
            string[]? names = parsed.GetValue(tools) is string file ? [.. ToolsFile.Read(file).Select(tool => tool.Name)] : null;
            bool code = parsed.GetValue(interpreter);
            switch (parsed.GetValue(answer), parsed.GetValue(batch))
            {
                case (string text, null):
                    console.Out.WriteLine(Row(new JsonObject { ["text"] = text }, names, code).ToJsonString(s_json));
                    break;
                case (null, string rows):
                    JsonLines.Convert(rows, parsed.GetValue(output), row => Row(row, names, code), console, s_json);
                    break;
                default:
                    throw new ArgumentException("Give either an answer or --batch.");
            }
            return 0;
        });
        return command;
    }

    private static JsonObject Row(JsonObject row, string[]? tools, bool interpreter)
    {
        string text = JsonLines.Field(row, "text").GetValue<string>();
        bool code = row["code_interpreter"]?.GetValue<bool>() ?? interpreter;
        AssistantAnswer answer = tools is null ? ToolCallParser.Parse(text) : ToolCallParser.Parse(text, tools, code);
        JsonObject result = [];
        if (row["name"] is JsonNode name)
        {
            result["name"] = name.DeepClone();
        }
        result["content"] = answer.Content;
        result["calls"] = new JsonArray([.. answer.ToolCalls.Select(call => new JsonObject { ["name"] = call.Name, ["arguments"] = call.Arguments.DeepClone() })]);
        result["code"] = answer.Code;
        return result;
    }
}
