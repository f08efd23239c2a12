using System.Globalization;
using System.Text.Json.Nodes;

namespace Llama4Kernels.Tests.Cases;

/// <summary>Edits of a JSON file by pointers (RFC 6901).</summary>
internal static class JsonEdits
{
    public static void Apply(string file, JsonObject op)
    {
        JsonNode root = JsonNode.Parse(File.ReadAllText(file))!;
        foreach (JsonNode? pointer in op["remove"]?.AsArray() ?? [])
        {
            (JsonNode owner, string name) = Find(root, pointer!.GetValue<string>());
            owner.AsObject().Remove(name);
        }
        foreach ((string pointer, JsonNode? value) in op["set"]?.AsObject() ?? [])
        {
            (JsonNode owner, string name) = Find(root, pointer);
            if (owner is JsonArray list)
            {
                list[int.Parse(name, CultureInfo.InvariantCulture)] = value?.DeepClone();
            }
            else
            {
                owner[name] = value?.DeepClone();
            }
        }
        foreach ((string pointer, JsonNode? value) in op["append"]?.AsObject() ?? [])
        {
            List(root, pointer).Add(value?.DeepClone());
        }
        foreach ((string pointer, JsonNode? length) in op["truncate"]?.AsObject() ?? [])
        {
            JsonArray list = List(root, pointer);
            list.RemoveRange(length!.GetValue<int>(), list.Count - length.GetValue<int>());
        }
        foreach (JsonNode? pointer in op["reverse"]?.AsArray() ?? [])
        {
            JsonArray list = List(root, pointer!.GetValue<string>());
            JsonNode?[] items = [.. list];
            list.Clear();
            foreach (JsonNode? item in items.Reverse())
            {
                list.Add(item);
            }
        }
        File.WriteAllText(file, root.ToJsonString());
    }

    private static JsonArray List(JsonNode root, string pointer)
    {
        (JsonNode owner, string name) = Find(root, pointer);
        return Member(owner, name).AsArray();
    }

    private static (JsonNode Owner, string Name) Find(JsonNode root, string pointer)
    {
        string[] parts = [.. pointer.Split('/').Skip(1).Select(part => part.Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal))];
        return (parts[..^1].Aggregate(root, Member), parts[^1]);
    }

    private static JsonNode Member(JsonNode owner, string name) =>
        (owner is JsonArray list ? list[int.Parse(name, CultureInfo.InvariantCulture)] : owner[name])!;
}
