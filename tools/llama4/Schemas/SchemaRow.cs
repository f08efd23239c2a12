using System.Text.Json.Nodes;

namespace Llama4Kernels.Cli.Schemas;

/// <summary>The verdict on one schema.</summary>
/// <param name="Name">Its name in the file.</param>
/// <param name="Status">One of <see cref="SchemaStatus"/>.</param>
/// <param name="Keyword">What was refused, and where; empty otherwise.</param>
/// <param name="Place">Where it stands.</param>
/// <param name="Detail">Why, or which instance.</param>
internal sealed record SchemaRow(string Name, string Status, string Keyword = "", string Place = "", string Detail = "")
{
    public JsonObject ToJson()
    {
        JsonObject row = new() { ["name"] = Name, ["status"] = Status };
        foreach ((string field, string value) in ((string, string)[])[("keyword", Keyword), ("place", Place), ("detail", Detail)])
        {
            if (value.Length > 0)
            {
                row[field] = value;
            }
        }
        return row;
    }
}
