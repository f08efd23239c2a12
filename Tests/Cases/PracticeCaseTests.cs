using System.Text.Json.Nodes;

namespace Llama4Kernels.Tests.Cases;

/// <summary>Inputs that people really bring: every line of the cases, run as their README says.</summary>
public sealed class PracticeCaseTests : IDisposable
{
    private static readonly Dictionary<string, JsonObject> s_cases =
        File.ReadLines(GoldenFiles.Path("cases", "cases.jsonl")).Select(line => JsonNode.Parse(line)!.AsObject()).ToDictionary(row => row["name"]!.GetValue<string>());

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("llama4-case-");

    public static TheoryData<string> Names => [.. s_cases.Keys];

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void AllCasesAreThere() => Assert.Equal(42, s_cases.Count);

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Case(string name)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "The cases need links, pipes and a shell.");
        JsonObject row = Filled(s_cases[name], name).AsObject();
        using CasePreparation prepared = new();
        foreach (JsonNode? op in row["prepare"]?.AsArray() ?? [])
        {
            prepared.Run(op!.AsObject());
        }
        if (row["environment"] is not null)
        {
            CaseOutcome probe = await (Command(row, new JsonArray("{llama4}", "--version")) with { Folder = _folder.FullName }).RunAsync();
            Assert.SkipWhen(probe.Code != 0, "The program does not start with this environment.");
        }
        CaseOutcome? reference = row["reference"] is JsonArray other ? await new CaseCommand(Arguments(other)).RunAsync() : null;
        Assert.True(reference is null or { Code: 0 }, $"the reference failed: {reference?.Error}");
        CaseOutcome outcome = await Command(row, row["command"]!.AsArray()).RunAsync();
        string? fault = row["answers"] is JsonObject answers
            ? ToolCallRows.Fault(answers["expected"]!.GetValue<string>(), answers["got"]!.GetValue<string>())
            : CaseExpectation.Fault(row["expect"]!, outcome, reference, prepared);
        Assert.True(fault is null, $"{fault}\nrc {outcome.Code}\n{outcome.Out}\n{outcome.Error}");
    }

    private static CaseCommand Command(JsonObject row, JsonArray command) => new(Arguments(command))
    {
        Environment = row["environment"]?.AsObject().ToDictionary(entry => entry.Key, entry => entry.Value!.GetValue<string>()) ?? [],
        Folder = row["cwd"]?.GetValue<string>(),
        InputClosed = row["stdin"]?.GetValue<string>() == "closed",
        Reads = row["reads"]?.GetValue<int>(),
        Timeout = row["timeout"]?.GetValue<int>() ?? 60,
    };

    private static string[] Arguments(JsonArray command) => [.. command.Skip(1).Select(word => word!.GetValue<string>())];

    private JsonNode Filled(JsonNode node, string name) => node switch
    {
        JsonObject members => new JsonObject(members.Select(member => KeyValuePair.Create(Fill(member.Key, name), member.Value is null ? null : Filled(member.Value, name)))),
        JsonArray items => new JsonArray([.. items.Select(item => item is null ? null : Filled(item, name))]),
        JsonValue value when value.TryGetValue(out string? text) => JsonValue.Create(Fill(text, name))!,
        _ => node.DeepClone(),
    };

    private string Fill(string text, string name) => text
        .Replace("{golden}", GoldenFiles.Path(), StringComparison.Ordinal)
        .Replace("{sample}", GoldenFiles.SampleModel, StringComparison.Ordinal)
        .Replace("{case}", GoldenFiles.Path("cases", name), StringComparison.Ordinal)
        .Replace("{tmp}", _folder.FullName, StringComparison.Ordinal);
}
