using System.Text.Json;
using System.Text.Json.Nodes;
using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Constraints;
using Llama4Kernels.Engine.Generation;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Serving;
using Llama4Kernels.Tests.Engine.Constraints;
using Llama4Kernels.Tests.Engine.Model;

namespace Llama4Kernels.Tests.Engine.Chat;

/// <summary>Answers that call tools: what each choice and form lets through, and that the sample model's calls are whole.</summary>
[Collection(nameof(ModelCollection))]
public sealed class ToolCallConstraintTests(ModelFixture models)
{
    private static readonly ToolDefinition[] s_tools =
    [
        Tool("weather", """{"type":"object","properties":{"city":{"type":"string","minLength":1},"days":{"type":"integer","minimum":1},"tags":{"type":"array","items":{"$ref":"#/$defs/tag"}},"more":{"type":"object","properties":{"a":{"type":["null","boolean"]}},"additionalProperties":false}},"required":["city"],"$defs":{"tag":{"enum":["x","y'\"z"]}}}"""),
        Tool("now", """{"type":"object","properties":{}}"""),
    ];

    public static TheoryData<string, ToolPromptFormat, string, bool> Answers() => new()
    {
        { "required", ToolPromptFormat.PythonList, "[weather(city=\"Oslo\")]", true },
        { "required", ToolPromptFormat.PythonList, "[weather(city='Oslo', days=3), now()]", true },
        { "required", ToolPromptFormat.PythonList, "[now(),now()]", true },
        { "required", ToolPromptFormat.PythonList, "[weather(city=\"a'b\\\\\\n\", tags=[\"x\", \"x\"], more={'a': None})]", true },
        { "required", ToolPromptFormat.PythonList, "[weather(city=\"a\", more={\"a\": True})]", true },
        { "required", ToolPromptFormat.PythonList, "[weather(city=\"a\", more={\"a\": true})]", false },
        { "required", ToolPromptFormat.PythonList, "[weather(city=\"\")]", false },
        { "required", ToolPromptFormat.PythonList, "[weather()]", false },
        { "required", ToolPromptFormat.PythonList, "[weather(days=3)]", false },
        { "required", ToolPromptFormat.PythonList, "[weather(city=\"a\", days=0)]", false },
        { "required", ToolPromptFormat.PythonList, "[weather(city=\"a\", tags=[\"q\"])]", false },
        { "required", ToolPromptFormat.PythonList, "[weather(city=\"a\", colour=1)]", false },
        { "required", ToolPromptFormat.PythonList, "[other()]", false },
        { "required", ToolPromptFormat.PythonList, "[]", false },
        { "required", ToolPromptFormat.PythonList, "Sure: [now()]", false },
        { "now", ToolPromptFormat.PythonList, "[now()]", true },
        { "now", ToolPromptFormat.PythonList, "[weather(city=\"a\")]", false },
        { "now", ToolPromptFormat.PythonList, "[now(), now()]", false },
        { "auto", ToolPromptFormat.PythonList, "It is [cold] at 3(!)", true },
        { "auto", ToolPromptFormat.PythonList, "", true },
        { "auto", ToolPromptFormat.PythonList, "Let me see: [weather(city=\"a\"), now()]", true },
        { "auto", ToolPromptFormat.PythonList, "[now()]", true },
        { "auto", ToolPromptFormat.PythonList, "[now()] and more", false },
        { "auto", ToolPromptFormat.PythonList, "Text [now(1)]", false },
        { "none", ToolPromptFormat.PythonList, "I may not [call] now()", true },
        { "none", ToolPromptFormat.PythonList, "So [now()]", false },
        { "required", ToolPromptFormat.Json, "{\"type\": \"function\", \"name\": \"weather\", \"parameters\": {\"city\": \"Oslo\", \"days\":2}}", true },
        { "required", ToolPromptFormat.Json, "{\"type\": \"function\", \"name\": \"weather\", \"parameters\": {}}", false },
        { "required", ToolPromptFormat.Json, "{\"type\": \"function\", \"name\": \"weather\", \"parameters\": 3}", false },
        { "auto", ToolPromptFormat.Json, "Well, {\"type\": \"function\", \"name\": \"now\", \"parameters\": {}}", true },
        { "required", ToolPromptFormat.FunctionTag, "<function=weather>{\"city\":\"Oslo\"}</function>", true },
        { "required", ToolPromptFormat.FunctionTag, "<function=weather>{\"city\":1}</function>", false },
    };

    [Theory]
    [MemberData(nameof(Answers))]
    public void EachChoiceLetsItsAnswersThrough(string choice, ToolPromptFormat format, string answer, bool allowed)
    {
        Constraint constraint = ToolCallConstraint.Compile(ConstraintChecks.Compiler, s_tools, Choice(choice), format);
        Assert.Equal(allowed, ConstraintChecks.Accepts(constraint, answer));
        Assert.Equal(allowed, ConstraintChecks.AcceptsBytes(constraint, answer));
    }

    [Fact]
    public void WhatAFormCannotKeepToIsRefused()
    {
        Assert.Throws<ArgumentException>(() => ToolCallConstraint.Compile(ConstraintChecks.Compiler, [], ToolChoice.Auto));
        Assert.Throws<ArgumentException>(() => ToolCallConstraint.Compile(ConstraintChecks.Compiler, s_tools, ToolChoice.Named("other")));
        ToolDefinition[] several = [Tool("a", """{"type":"object","properties":{"x":{}},"minProperties":1}""")];
        Assert.Equal("minProperties", Refuse(several).Keyword);
        ToolCallConstraint.Compile(ConstraintChecks.Compiler, several, ToolChoice.Required, ToolPromptFormat.Json);
        Assert.Contains("'x y'", Refuse([Tool("a", """{"properties":{"x y":{}}}""")]).Message, StringComparison.Ordinal);
        Assert.Contains("'a-b'", Refuse([Tool("a-b", "{}")]).Message, StringComparison.Ordinal);

        static ConstraintException Refuse(ToolDefinition[] tools) =>
            Assert.Throws<ConstraintException>(() => ToolCallConstraint.Compile(ConstraintChecks.Compiler, tools, ToolChoice.Required));
    }

    /// <summary>Greedily its own answers; drawn wildly, whatever it says is still a call with a city.</summary>
    [Fact]
    public async Task TheSampleModelsCallsAreWhole()
    {
        Llama4Model model = models.Get("nano");
        await using var engine = new Llama4Engine(model);
        var compiler = new ConstraintCompiler(model.Tokenizer);
        int asked = 0;
        foreach (string line in File.ReadLines(GoldenFiles.Path("nano", "eval", "eval.jsonl")).Where(line => line.Contains("\"kind\": \"tool\"", StringComparison.Ordinal)))
        {
            JsonNode row = JsonNode.Parse(line)!;
            (string Role, string Text)[] messages = [.. row["messages"]!.AsArray().Select(message => (message!["role"]!.GetValue<string>(), message["content"]!.GetValue<string>()))];
            if (messages.Length != 2)
            {
                continue;
            }
            asked++;
            JsonArray declared = JsonNode.Parse(messages[0].Text[messages[0].Text.IndexOf('\n', StringComparison.Ordinal)..])!.AsArray();
            ToolDefinition[] tools = [.. declared.Select(tool => Tool(tool!["name"]!.GetValue<string>(), tool["parameters"]!.ToJsonString()))];
            Prompt prompt = model.Chat.EncodePrompt([ChatMessage.FromText(ChatRole.System, messages[0].Text), ChatMessage.FromText(ChatRole.User, messages[1].Text)]);
            Constraint required = ToolCallConstraint.Compile(compiler, tools, ToolChoice.Required);
            foreach (GenerationOptions options in (GenerationOptions[])[new() { Temperature = 0 }, new() { Temperature = 2, TopP = 1, Seed = (ulong)asked, MaxTokens = 400 }])
            {
                string text = string.Empty;
                FinishReason? finish = null;
                await foreach (GenerationUpdate update in engine.GenerateAsync(new(prompt, options with { Constraint = required.Start() })))
                {
                    text += update.Text;
                    finish = update.FinishReason;
                }
                if (options.Temperature == 0)
                {
                    Assert.Equal(row["expected"]!.GetValue<string>(), text);
                }
                else if (finish == FinishReason.Length)
                {
                    continue;
                }
                Assert.All(Calls(text), call =>
                {
                    Assert.Contains(call.Name, tools.Select(tool => tool.Name));
                    KeyValuePair<string, JsonNode?> city = Assert.Single(call.Arguments.AsObject());
                    Assert.Equal(("city", JsonValueKind.String), (city.Key, city.Value!.GetValueKind()));
                });
            }
        }
        Assert.True(asked >= 5);
    }

    private static IReadOnlyList<ToolCall> Calls(string text)
    {
        IReadOnlyList<ToolCall> calls = ToolCallParser.Parse(text).ToolCalls;
        Assert.NotEmpty(calls);
        return calls;
    }

    private static ToolDefinition Tool(string name, string schema) => new(name, string.Empty, JsonNode.Parse(schema)!);

    private static ToolChoice Choice(string choice) => choice switch
    {
        "none" => ToolChoice.None,
        "auto" => ToolChoice.Auto,
        "required" => ToolChoice.Required,
        _ => ToolChoice.Named(choice),
    };
}
