using System.Text.Json;
using Llama4Kernels.Interop.Files;

namespace Llama4Kernels.PtxEmulator.Cases;

/// <summary>An object of a case's JSON, whose every fault names file and field.</summary>
/// <param name="File">The file.</param>
/// <param name="Path">The object's place in it: empty for the root.</param>
/// <param name="Value">The object.</param>
internal readonly record struct CaseJson(string File, string Path, JsonElement Value)
{
    public static CaseJson Parse(string file, string text)
    {
        try
        {
            JsonText.Check(text);
            using JsonDocument document = JsonDocument.Parse(text);
            return new CaseJson(file, "", document.RootElement.Clone()).Object();
        }
        catch (JsonException e)
        {
            throw new CaseFormatException(file, null, $"is not valid JSON: {e.Message}", e);
        }
    }

    public CaseFormatException Fault(string reason) => new(File, Path.Length == 0 ? null : Path, reason);

    /// <summary>Refuses fields that nobody reads: a misspelt one would silently not count.</summary>
    public CaseJson Only(params ReadOnlySpan<string> names)
    {
        foreach (JsonProperty property in Object().Value.EnumerateObject())
        {
            if (!names.Contains(property.Name))
            {
                throw Fault($"has the unknown field '{property.Name}'.");
            }
        }
        return this;
    }

    public CaseJson Get(string name) => Find(name) ?? throw Fault($"lacks '{name}'.");

    public CaseJson? Find(string name) =>
        Object().Value.TryGetProperty(name, out JsonElement element) ? new CaseJson(File, Path.Length == 0 ? name : $"{Path}.{name}", element) : null;

    public IEnumerable<(string Name, CaseJson Value)> Fields()
    {
        foreach (JsonProperty property in Object().Value.EnumerateObject())
        {
            yield return (property.Name, new CaseJson(File, Path.Length == 0 ? property.Name : $"{Path}.{property.Name}", property.Value));
        }
    }

    public CaseJson[] Items()
    {
        if (Value.ValueKind != JsonValueKind.Array)
        {
            throw Fault("must be an array.");
        }
        CaseJson self = this;
        return [.. Value.EnumerateArray().Select((item, index) => new CaseJson(self.File, $"{self.Path}[{index}]", item))];
    }

    public string Text() => Value.ValueKind == JsonValueKind.String ? Value.GetString()! : throw Fault("must be a string.");

    public Int128 Integer() =>
        Value.ValueKind != JsonValueKind.Number ? throw Fault("must be a number.")
        : Value.TryGetInt64(out long signed) ? signed
        : Value.TryGetUInt64(out ulong unsigned) ? unsigned
        : throw Fault("must be an integer of at most 64 bits.");

    public int Integer(int least, int most)
    {
        Int128 value = Integer();
        return value >= least && value <= most ? (int)value : throw Fault($"is {value}; it must be {least} to {most}.");
    }

    public double Number() => Value.ValueKind == JsonValueKind.Number ? Value.GetDouble() : throw Fault("must be a number.");

    public double Bound()
    {
        double value = Number();
        return value >= 0 && double.IsFinite(value) ? value : throw Fault("must not be negative.");
    }

    private CaseJson Object() => Value.ValueKind == JsonValueKind.Object ? this : throw Fault("must be an object.");
}
