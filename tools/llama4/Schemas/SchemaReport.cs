using System.Text.Json.Nodes;

namespace Llama4Kernels.Cli.Schemas;

/// <summary>What a run over a file of schemas found.</summary>
/// <param name="Rows">The verdicts, in the order of the file.</param>
/// <param name="Mask">Times of a mask.</param>
/// <param name="Compile">Times of compiling and the first mask.</param>
/// <param name="Vocabulary">Tokens of the vocabulary.</param>
/// <param name="Threads">Threads at work.</param>
internal sealed record SchemaReport(IReadOnlyList<SchemaRow> Rows, TimeSamples Mask, TimeSamples Compile, int Vocabulary, int Threads)
{
    /// <summary>Schemas by status.</summary>
    public IEnumerable<(string Status, int Count)> Counts =>
        SchemaStatus.All.Select(status => (status, Rows.Count(row => row.Status == status)));

    /// <summary>Whether no instance was judged wrongly.</summary>
    public bool IsSound => Rows.All(row => row.Status is SchemaStatus.Ok or SchemaStatus.Refused);

    public JsonObject ToJson() => new()
    {
        ["schemas"] = Rows.Count,
        ["vocabulary"] = Vocabulary,
        ["threads"] = Threads,
        ["counts"] = new JsonObject(Counts.Select(entry => KeyValuePair.Create(entry.Status, (JsonNode?)entry.Count))),
        ["mask"] = Mask.ToJson(),
        ["compile"] = Compile.ToJson(),
    };
}
