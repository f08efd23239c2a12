using System.Text.Json;
using System.Text.Json.Nodes;
using Llama4Kernels.Engine;
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

    public static TheoryData<string, string, string, bool> Answers() => new()
    {
        { "required", nameof(ToolPromptFormat.PythonList), "[weather(city=\"Oslo\")]", true },
        { "required", nameof(ToolPromptFormat.PythonList), "[weather(city='Oslo', days=3), now()]", true },
        { "required", nameof(ToolPromptFormat.PythonList), "[now(),now()]", true },
        { "required", nameof(ToolPromptFormat.PythonList), "[weather(city=\"a'b\\\\\\n\", tags=[\"x\", \"x\"], more={'a': None})]", true },
        { "required", nameof(ToolPromptFormat.PythonList), "[weather(city=\"a\", more={\"a\": True})]", true },
        { "required", nameof(ToolPromptFormat.PythonList), "[weather(city=\"a\", more={\"a\": true})]", false },
        { "required", nameof(ToolPromptFormat.PythonList), "[weather(city=\"\")]", false },
        { "required", nameof(ToolPromptFormat.PythonList), "[weather()]", false },
        { "required", nameof(ToolPromptFormat.PythonList), "[weather(days=3)]", false },
        { "required", nameof(ToolPromptFormat.PythonList), "[weather(city=\"a\", days=0)]", false },
        { "required", nameof(ToolPromptFormat.PythonList), "[weather(city=\"a\", tags=[\"q\"])]", false },
        { "required", nameof(ToolPromptFormat.PythonList), "[weather(city=\"a\", colour=1)]", false },
        { "required", nameof(ToolPromptFormat.PythonList), "[other()]", false },
        { "required", nameof(ToolPromptFormat.PythonList), "[]", false },
        { "required", nameof(ToolPromptFormat.PythonList), "Sure: [now()]", false },
        { "now", nameof(ToolPromptFormat.PythonList), "[now()]", true },
        { "now", nameof(ToolPromptFormat.PythonList), "[weather(city=\"a\")]", false },
        { "now", nameof(ToolPromptFormat.PythonList), "[now(), now()]", false },
        { "auto", nameof(ToolPromptFormat.PythonList), "It is [cold] at 3(!)", true },
        { "auto", nameof(ToolPromptFormat.PythonList), "", true },
        { "auto", nameof(ToolPromptFormat.PythonList), "Let me see: [weather(city=\"a\"), now()]", true },
        { "auto", nameof(ToolPromptFormat.PythonList), "[now()]", true },
        { "auto", nameof(ToolPromptFormat.PythonList), "[now()] and more", false },
        { "auto", nameof(ToolPromptFormat.PythonList), "Text [now(1)]", false },
        { "none", nameof(ToolPromptFormat.PythonList), "I may not [call] now()", true },
        { "none", nameof(ToolPromptFormat.PythonList), "So [now()]", false },
        { "required", nameof(ToolPromptFormat.Json), "{\"type\": \"function\", \"name\": \"weather\", \"parameters\": {\"city\": \"Oslo\", \"days\":2}}", true },
        { "required", nameof(ToolPromptFormat.Json), "{\"type\": \"function\", \"name\": \"weather\", \"parameters\": {}}", false },
        { "required", nameof(ToolPromptFormat.Json), "{\"type\": \"function\", \"name\": \"weather\", \"parameters\": 3}", false },
        { "auto", nameof(ToolPromptFormat.Json), "Well, {\"type\": \"function\", \"name\": \"now\", \"parameters\": {}}", true },
        { "required", nameof(ToolPromptFormat.Json), "{\"type\": \"function\", \"name\": \"now\", \"parameters\": {}}; {\"type\": \"function\", \"name\": \"weather\", \"parameters\": {\"city\":\"a\"}}", true },
        { "required", nameof(ToolPromptFormat.Json), "{\"type\": \"function\", \"name\": \"now\", \"parameters\": {}}; and more", false },
        { "now", nameof(ToolPromptFormat.Json), "{\"type\": \"function\", \"name\": \"now\", \"parameters\": {}}; {\"type\": \"function\", \"name\": \"now\", \"parameters\": {}}", false },
        { "now", nameof(ToolPromptFormat.Json), "{\"type\": \"function\", \"name\": \"weather\", \"parameters\": {\"city\":\"a\"}}", false },
        { "auto", nameof(ToolPromptFormat.Json), "Well, {\"type\": \"function\", \"name\": \"now\", \"parameters\": {}} and more", false },
        { "auto", nameof(ToolPromptFormat.Json), "An object: {\"type\": \"function\"}", true },
        { "none", nameof(ToolPromptFormat.Json), "An object: {\"type\": \"function\"}", true },
        { "none", nameof(ToolPromptFormat.Json), "{\"type\": \"function\", \"name\": \"now\", \"parameters\": {}}", false },
        { "required", nameof(ToolPromptFormat.FunctionTag), "<function=now>{}</function>\n<function=weather>{\"city\":\"Oslo\"}</function>", true },
        { "required", nameof(ToolPromptFormat.FunctionTag), "<function=weather>{\"city\":\"Oslo\"}</function>", true },
        { "required", nameof(ToolPromptFormat.FunctionTag), "<function=weather>{\"city\":1}</function>", false },
    };

    [Theory]
    [MemberData(nameof(Answers))]
    public void EachChoiceLetsItsAnswersThrough(string choice, string format, string answer, bool allowed)
    {
        ITokenConstraint constraint = ToolCallConstraint.Compile(ConstraintChecks.Compiler, s_tools, Choice(choice), Enum.Parse<ToolPromptFormat>(format));
        Assert.Equal(allowed, ConstraintChecks.Accepts(constraint, answer));
        Assert.Equal(allowed, ConstraintChecks.AcceptsBytes(constraint, answer));
    }

    /// <summary>What a parameter's schema refers to, and what stands for those that are required without being named.</summary>
    [Theory]
    [InlineData("""{"properties":{"a":{"type":"integer"},"b":{"$ref":"#/properties/a"}}}""", "[f(b=1)]|[f(a=1, b=2)]|[f()]", "[f(b=\"x\")]")]
    [InlineData("""{"properties":{"a":{"items":{"$ref":"#/properties/a"},"type":"array"}}}""", "[f(a=[[], [[]]])]", "[f(a=[1])]")]
    [InlineData("""{"properties":{"a":true},"required":["c"],"additionalProperties":{"type":"boolean"}}""", "[f(c=True)]|[f(a=1, c=False)]", "[f(c=1)]|[f(a=1)]|[f(b=True, c=True)]")]
    [InlineData("""{"properties":{"a":{"type":"null"},"b":false}}""", "[f(a=None)]|[f()]", "[f(b=1)]|[f(a=None, b=None)]")]
    [InlineData("true", "[f()]", "[f(a=1)]")]
    [InlineData("""{"$ref":"#/$defs/a","$defs":{"a":{"type":"object","properties":{"x":{"type":"integer"},"y":{"$ref":"#/$defs/b"}},"required":["y"]},"b":{"enum":["u"]}}}""",
        "[f(x=1, y=\"u\")]|[f(y='u')]", "[f()]|[f(x=1)]|[f(y='v')]|[f(y='u', x=1)]|[f( y='u')]|[f(y= 'u')]")]
    [InlineData("""{"properties":{"x":{},"y":{}},"minProperties":1}""", "[f(x=1)]|[f(y=None)]|[f(x=1,y=2)]", "[f()]|[f(z=1)]")]
    [InlineData("""{"properties":{"x":{},"y":{},"z":{}},"maxProperties":2}""", "[f()]|[f(x=1, z=1)]", "[f(x=1, y=1, z=1)]")]
    [InlineData("""{"properties":{"x":{"type":"integer"},"y":{"type":"null"}},"anyOf":[{"required":["x"]},{"required":["y"]}]}""", "[f(x=1)]|[f(y=None)]|[f(x=1, y=None)]", "[f()]|[f(y=1)]")]
    [InlineData("""{"properties":{"k":{},"a":{"type":"integer"},"b":{"type":"string"}},"oneOf":[{"properties":{"k":{"const":1}},"required":["k","a"]},{"properties":{"k":{"const":2}},"required":["k","b"]}]}""",
        "[f(k=1, a=1)]|[f(k=2, b='')]|[f(k=2, a=1, b='')]", "[f(k=1)]|[f(k=1, b='')]|[f(k=2, a=1)]|[f(a=1, k=1)]")]
    [InlineData("""{"properties":{"a":{},"b":{}},"dependentRequired":{"a":["b"]}}""", "[f()]|[f(b=1)]|[f(a=1, b=1)]", "[f(a=1)]")]
    [InlineData("""{"propertyNames":{"enum":["a","b"]},"additionalProperties":{"type":"boolean"},"minProperties":1}""", "[f(a=True)]|[f(b=True, a=False)]", "[f()]|[f(a=1)]|[f(a=True, a=True)]")]
    public void ParametersOfThePythonForm(string schema, string calls, string others)
    {
        ITokenConstraint constraint = ToolCallConstraint.Compile(ConstraintChecks.Compiler, [Tool("f", schema)], ToolChoice.Required);
        Assert.All(calls.Split('|'), call => Assert.True(ConstraintChecks.Accepts(constraint, call), call));
        Assert.All(others.Split('|'), call => Assert.False(ConstraintChecks.Accepts(constraint, call), call));
    }

    [Theory]
    [InlineData("[f()]", true, true)]
    [InlineData("[f(), f()]", true, false)]
    [InlineData("text and [f()]", false, true)]
    [InlineData("text and [f(), f()]", false, false)]
    [InlineData("text", false, true)]
    public void OneCallMayBeTheMost(string answer, bool must, bool allowed)
    {
        ToolChoice choice = must ? ToolChoice.Required : ToolChoice.Auto;
        ToolDefinition[] tools = [Tool("f", """{"properties":{}}""")];
        Assert.True(ConstraintChecks.Accepts(ToolCallConstraint.Compile(ConstraintChecks.Compiler, tools, choice), answer));
        Assert.Equal(allowed, ConstraintChecks.Accepts(ToolCallConstraint.Compile(ConstraintChecks.Compiler, tools, choice with { AllowsSeveral = false }), answer));
        Assert.Equal(must && allowed, ConstraintChecks.Accepts(ToolCallConstraint.Compile(ConstraintChecks.Compiler, tools, ToolChoice.Named("f")), answer));
        Assert.Equal(must, ConstraintChecks.Accepts(ToolCallConstraint.Compile(ConstraintChecks.Compiler, tools, ToolChoice.Named("f") with { AllowsSeveral = true }), answer));
    }

    [Theory]
    [InlineData("""{"minProperties":1}""", "schema", "f#", false)]
    [InlineData("""{"$ref":"#/$defs/a","$defs":{"a":{"properties":{"x":{"items":{"type":"text"}}}}}}""", "type", "f#/$defs/a/properties/x/items", true)]
    [InlineData("""{"properties":{"x y":{}}}""", "name", "f#", false)]
    [InlineData("""{"properties":{"x":{"items":{"type":"text"}}}}""", "type", "f#/properties/x/items", true)]
    [InlineData("""{"properties":[1]}""", "properties", "f#", true)]
    [InlineData("""{"required":[1]}""", "required", "f#", true)]
    [InlineData("""{"required":["c"],"additionalProperties":false}""", "schema", "f#", true)]
    [InlineData("3", "parameters", "f#", true)]
    [InlineData("false", "parameters", "f#", true)]
    public void WhatAFormCannotKeepToIsRefusedWithItsPlace(string schema, string keyword, string place, bool inEveryForm)
    {
        ToolDefinition[] tools = [Tool("now", "{}"), Tool("f", schema)];
        foreach (ToolPromptFormat format in Enum.GetValues<ToolPromptFormat>())
        {
            if (format == ToolPromptFormat.PythonList || inEveryForm)
            {
                ConstraintException error = Assert.Throws<ConstraintException>(() => ToolCallConstraint.Compile(ConstraintChecks.Compiler, tools, ToolChoice.Auto, format));
                Assert.Equal(keyword, error.Keyword);
                Assert.StartsWith(place, error.Place, StringComparison.Ordinal);
            }
            else
            {
                ToolCallConstraint.Compile(ConstraintChecks.Compiler, tools, ToolChoice.Auto, format);
            }
        }
    }

    [Fact]
    public void NamesAndSizesAreChecked()
    {
        Assert.Throws<ArgumentException>(() => ToolCallConstraint.Compile(ConstraintChecks.Compiler, [], ToolChoice.Auto));
        Assert.Throws<ArgumentException>(() => ToolCallConstraint.Compile(ConstraintChecks.Compiler, s_tools, ToolChoice.Named("other")));
        Assert.Contains("'a(b'", Refuse(Tool("a(b", "{}")).Message, StringComparison.Ordinal);
        JsonNode deep = new JsonObject();
        for (int level = 0; level < 400; level++)
        {
            deep = new JsonObject { ["not"] = deep };
        }
        Assert.Equal("parameters", Refuse(new ToolDefinition("f", string.Empty, new JsonObject { ["properties"] = new JsonObject { ["a"] = deep } })).Keyword);
        var small = new ConstraintCompiler(ConstraintChecks.Tokenizer, new ConstraintLimits { MaxSourceLength = 100 });
        Assert.Contains("100 characters", Assert.Throws<ConstraintException>(() => ToolCallConstraint.Compile(small, s_tools, ToolChoice.Auto)).Message, StringComparison.Ordinal);

        static ConstraintException Refuse(ToolDefinition tool) =>
            Assert.Throws<ConstraintException>(() => ToolCallConstraint.Compile(ConstraintChecks.Compiler, [tool], ToolChoice.Required));
    }

    /// <summary>Hosts name tools and parameters as they like: what a form lets through is read as it was meant, whatever Python says of it.</summary>
    [Theory]
    [InlineData("get-weather", "max-results")]
    [InlineData("server/read file", "from")]
    [InlineData("class", "class")]
    [InlineData("2fa.send", "$filter")]
    [InlineData("wetter_für", "größe")]
    [InlineData("a\"b", "@type")]
    [InlineData("x", "page.size:max/y")]
    public void NamesNeedNotBePython(string tool, string parameter)
    {
        string schema = new JsonObject
        {
            ["properties"] = new JsonObject { [parameter] = new JsonObject { ["type"] = "integer" } },
            ["required"] = new JsonArray(parameter),
        }.ToJsonString();
        string call = $"[{tool}({parameter}=3)]";
        ToolDefinition[] tools = [Tool(tool, schema), Tool("now", "{}")];
        foreach (string choice in (string[])["required", "auto", tool])
        {
            ITokenConstraint constraint = ToolCallConstraint.Compile(ConstraintChecks.Compiler, tools, Choice(choice));
            Assert.True(ConstraintChecks.Accepts(constraint, call), choice);
            Assert.False(ConstraintChecks.Accepts(constraint, $"[{tool}()]"), choice);
        }
        ToolCall read = Assert.Single(Calls(call, tools));
        Assert.Equal((tool, 3), (read.Name, read.Arguments[parameter]!.GetValue<int>()));
    }

    /// <summary>With these names no call could be read; the other forms have them.</summary>
    [Theory]
    [InlineData("a(b", "x")]
    [InlineData(" a", "x")]
    [InlineData("a\n", "x")]
    [InlineData("f", "x y")]
    [InlineData("f", "1st")]
    [InlineData("f", "a=b")]
    [InlineData("f", "")]
    [InlineData("f", "filter[a]")]
    public void NamesThatNoCallCanHaveAreRefused(string tool, string parameter)
    {
        ToolDefinition[] tools = [Tool(tool, new JsonObject { ["properties"] = new JsonObject { [parameter] = new JsonObject() } }.ToJsonString())];
        ConstraintException error = Assert.Throws<ConstraintException>(() => ToolCallConstraint.Compile(ConstraintChecks.Compiler, tools, ToolChoice.Required));
        Assert.Equal(("name", tool + "#"), (error.Keyword, error.Place));
        ITokenConstraint json = ToolCallConstraint.Compile(ConstraintChecks.Compiler, tools, ToolChoice.Required, ToolPromptFormat.Json);
        string call = $"{{\"type\": \"function\", \"name\": {PythonJson.Dumps(tool)}, \"parameters\": {{{JsonValue.Create(parameter)!.ToJsonString()}: 1}}}}";
        Assert.True(ConstraintChecks.Accepts(json, call));
        Assert.Equal(tool, Assert.Single(Calls(call, tools)).Name);
    }

    [Fact]
    public void OneSetOfToolsIsCompiledOnce()
    {
        var compiler = new ConstraintCompiler(ConstraintChecks.Tokenizer, new ConstraintLimits { MaxKeptConstraints = 3 });
        ITokenConstraint first = Compile("required");
        Assert.Same(ConstraintChecks.MachineOf(first), ConstraintChecks.MachineOf(Compile("required")));
        Assert.Same(ConstraintChecks.MachineOf(first), ConstraintChecks.MachineOf(ToolCallConstraint.Compile(compiler, [.. s_tools.Select(tool => tool with { Description = "other", Parameters = tool.Parameters.DeepClone() })], ToolChoice.Required)));
        Assert.NotSame(ConstraintChecks.MachineOf(first), ConstraintChecks.MachineOf(Compile("auto")));
        Assert.NotSame(ConstraintChecks.MachineOf(first), ConstraintChecks.MachineOf(Compile("now")));
        Assert.Same(ConstraintChecks.MachineOf(first), ConstraintChecks.MachineOf(Compile("required")));
        Assert.NotSame(ConstraintChecks.MachineOf(first), ConstraintChecks.MachineOf(ToolCallConstraint.Compile(compiler, s_tools, ToolChoice.Required, ToolPromptFormat.Json)));
        Assert.NotSame(ConstraintChecks.MachineOf(first), ConstraintChecks.MachineOf(ToolCallConstraint.Compile(compiler, s_tools[..1], ToolChoice.Required)));
        Assert.Equal(3, compiler.Cache.Count);

        ITokenConstraint Compile(string choice) => ToolCallConstraint.Compile(compiler, s_tools, Choice(choice));
    }

    /// <summary>Greedily its own answers; drawn wildly or in a form that it does not speak, still calls whose arguments a validator takes.</summary>
    [Fact]
    public async Task TheSampleModelsCallsAreWhole()
    {
        Llama4Model model = models.Get("nano");
        await using var engine = new Llama4Engine(model);
        var compiler = new ConstraintCompiler(model.Tokenizer);
        (int asked, int whole) = (0, 0);
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
            foreach (ToolPromptFormat format in (ToolPromptFormat[])[ToolPromptFormat.PythonList, ToolPromptFormat.Json])
            {
                ITokenConstraint required = ToolCallConstraint.Compile(compiler, tools, ToolChoice.Required, format);
                foreach (GenerationOptions options in (GenerationOptions[])[new() { Temperature = 0, MaxTokens = 400 }, new() { Temperature = 2, TopP = 1, Seed = (ulong)asked, MaxTokens = 400 }])
                {
                    (string text, FinishReason? finish) = await Answer(engine, prompt, options with { Constraint = required });
                    if (options.Temperature == 0 && format == ToolPromptFormat.PythonList)
                    {
                        Assert.Equal(row["expected"]!.GetValue<string>(), text);
                    }
                    if (finish != FinishReason.Length)
                    {
                        whole++;
                        Assert.All(Calls(text, tools), call => Assert.Null(
                            new SchemaOracle(JsonElement.Parse(tools.Single(tool => tool.Name == call.Name).Parameters.ToJsonString())).Fault(call.Arguments.ToJsonString())));
                    }
                }
            }
        }
        Assert.True(whole >= 2 * asked, $"{whole} of {4 * asked} answers ended.");
        Assert.True(asked >= 5);
    }

    private static async Task<(string Text, FinishReason? Finish)> Answer(Llama4Engine engine, Prompt prompt, GenerationOptions options)
    {
        string text = string.Empty;
        FinishReason? finish = null;
        await foreach (GenerationUpdate update in engine.GenerateAsync(new(prompt, options)))
        {
            text += update.Text;
            finish = update.FinishReason;
        }
        return (text, finish);
    }

    private static IReadOnlyList<ToolCall> Calls(string text, ToolDefinition[] tools)
    {
        IReadOnlyList<ToolCall> calls = ToolCallParser.Parse(text, tools.Select(tool => tool.Name)).ToolCalls;
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
