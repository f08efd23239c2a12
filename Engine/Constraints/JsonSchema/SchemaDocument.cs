using System.Text.Json;

namespace Llama4Kernels.Engine.Constraints.JsonSchema;

/// <summary>A schema document: its subschemas by place, and where references lead.</summary>
internal sealed class SchemaDocument
{
    private readonly Dictionary<string, Subschema> _byPointer = new(StringComparer.Ordinal);
    private readonly Dictionary<string, SchemaResource> _resources = new(StringComparer.Ordinal);
    private readonly Dictionary<string, SchemaResource> _resourceAt = new(StringComparer.Ordinal);
    private readonly List<Subschema> _all = [];
    private readonly ConstraintLimits _limits;
    private readonly SchemaResource _syntheticResource = new(string.Empty, default, string.Empty, SchemaDraft.Draft202012, false);
    private readonly Dictionary<(string Origin, string Value), Subschema> _constants = [];
    private bool _hasDynamicAnchors;

    public SchemaDocument(JsonElement json, ConstraintLimits limits)
    {
        _limits = limits;
        if (json.GetRawText().Contains("\\ud", StringComparison.OrdinalIgnoreCase))
        {
            CheckTexts(json);
        }
        SchemaDraft draft = DraftOf(json, out bool declared) ?? SchemaDraft.Draft202012;
        SchemaResource root = new(IdOf(json, draft) ?? string.Empty, json, string.Empty, draft, declared);
        False = Add(JsonDocument.Parse("false").RootElement, "\0false", root, DynamicScope.Empty);
        _resources[Normalize(root.Uri)] = root;
        Index(root);
        _hasDynamicAnchors = _resources.Values.Any(resource => resource.DynamicAnchors.Count > 0 || resource.HasRecursiveAnchor);
        Root = Get(json, string.Empty, root, DynamicScope.Empty);
    }

    public Subschema Root { get; }

    public Subschema False { get; }

    public Subschema this[int id] => _all[id];

    /// <summary>The subschema at a place below another one.</summary>
    public Subschema Child(Subschema parent, JsonElement json, params ReadOnlySpan<string> path)
    {
        string pointer = parent.Pointer;
        foreach (string part in path)
        {
            pointer += "/" + Escaped(part);
        }
        return Get(json, pointer, parent.Resource, parent.Scope);
    }

    /// <summary>A schema of a constant array or object; it stands nowhere but means what <c>enum</c> and <c>const</c> say.</summary>
    public Subschema Constant(JsonElement value, Subschema origin)
    {
        (string, string) key = (origin.Pointer, value.GetRawText());
        if (!_constants.TryGetValue(key, out Subschema? constant))
        {
            constant = Add(
                JsonDocument.Parse(ConstantSchema.Of(value)).RootElement, $"{origin.Pointer}\0{_constants.Count}", _syntheticResource, DynamicScope.Empty);
            _constants.Add(key, constant);
        }
        return constant;
    }

    /// <summary>Where a reference leads.</summary>
    /// <param name="from">The schema that has it.</param>
    /// <param name="keyword"><c>$ref</c>, <c>$dynamicRef</c> or <c>$recursiveRef</c>.</param>
    /// <param name="reference">Its value.</param>
    /// <exception cref="ConstraintException">It leads nowhere, or out of the document.</exception>
    public Subschema Resolve(Subschema from, string keyword, string reference)
    {
        Subschema target = ResolveStatic(from, keyword, reference);
        if (keyword == "$recursiveRef")
        {
            SchemaResource? outermost = target.Resource.HasRecursiveAnchor && target.Pointer == target.Resource.Pointer
                ? from.Scope.Resources.FirstOrDefault(resource => resource.HasRecursiveAnchor)
                : null;
            return outermost is null ? target : Get(outermost.Json, outermost.Pointer, outermost, from.Scope);
        }
        int hash = reference.IndexOf('#', StringComparison.Ordinal);
        string name = hash < 0 ? string.Empty : reference[(hash + 1)..];
        if (keyword != "$dynamicRef" || !target.TryGet("$dynamicAnchor", out JsonElement anchor) || anchor.ValueKind != JsonValueKind.String || anchor.GetString() != name)
        {
            return target;
        }
        SchemaResource entered = from.Scope.Resources.FirstOrDefault(resource => resource.DynamicAnchors.Contains(name)) ?? target.Resource;
        (JsonElement json, string pointer) = entered.Anchors[name];
        return Get(json, pointer, entered, from.Scope);
    }

    private Subschema ResolveStatic(Subschema from, string keyword, string reference)
    {
        int hash = reference.IndexOf('#', StringComparison.Ordinal);
        string address = hash < 0 ? reference : reference[..hash];
        string fragment = hash < 0 ? string.Empty : System.Uri.UnescapeDataString(reference[(hash + 1)..]);
        SchemaResource resource = from.Resource;
        if (address.Length > 0 && !_resources.TryGetValue(Normalize(Combine(resource.Uri, address)), out resource!)
            && !_resources.TryGetValue(Normalize(address), out resource!))
        {
            throw from.Error(keyword, $"{reference} leads out of the document; put what it means under $defs.");
        }
        if (fragment.Length == 0)
        {
            return Get(resource.Json, resource.Pointer, resource, from.Scope);
        }
        if (fragment[0] != '/')
        {
            return resource.Anchors.TryGetValue(fragment, out (JsonElement Json, string Pointer) anchor)
                ? Get(anchor.Json, anchor.Pointer, resource, from.Scope)
                : throw from.Error(keyword, $"there is no anchor {fragment}.");
        }
        JsonElement json = resource.Json;
        string pointer = resource.Pointer;
        foreach (string part in fragment[1..].Split('/'))
        {
            string name = part.Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal);
            bool found = json.ValueKind switch
            {
                JsonValueKind.Object => json.TryGetProperty(name, out json),
                JsonValueKind.Array when int.TryParse(name, out int index) && index >= 0 && index < json.GetArrayLength() =>
                    (json = json[index]).ValueKind != JsonValueKind.Undefined,
                _ => false,
            };
            if (!found)
            {
                throw from.Error(keyword, $"{reference} leads nowhere.");
            }
            pointer += "/" + part;
            resource = _resourceAt.GetValueOrDefault(pointer, resource);
        }
        return Get(json, pointer, resource, from.Scope);
    }

    private Subschema Get(JsonElement json, string pointer, SchemaResource resource, DynamicScope scope)
    {
        resource = _resourceAt.GetValueOrDefault(pointer, resource);
        scope = _hasDynamicAnchors ? scope.Enter(resource) : scope;
        if (_byPointer.TryGetValue(pointer + scope.Key, out Subschema? known))
        {
            return known;
        }
        Subschema subschema = Add(json, pointer, resource, scope);
        return json.ValueKind is JsonValueKind.Object or JsonValueKind.True or JsonValueKind.False
            ? subschema
            : throw subschema.Error("schema", "is neither an object nor true or false.");
    }

    private Subschema Add(JsonElement json, string pointer, SchemaResource resource, DynamicScope scope)
    {
        Subschema subschema = new(_all.Count, json, pointer, resource, scope);
        _all.Add(subschema);
        _byPointer.Add(pointer + scope.Key, subschema);
        return subschema;
    }

    // Half a surrogate pair is no text: no answer could hold it.
    private static void CheckTexts(JsonElement root)
    {
        Stack<(JsonElement Json, string Pointer)> pending = new([(root, string.Empty)]);
        while (pending.TryPop(out (JsonElement Json, string Pointer) at))
        {
            try
            {
                if (at.Json.ValueKind == JsonValueKind.String)
                {
                    _ = at.Json.GetString();
                }
                else if (at.Json.ValueKind == JsonValueKind.Object)
                {
                    foreach (JsonProperty property in at.Json.EnumerateObject())
                    {
                        pending.Push((property.Value, $"{at.Pointer}/{Escaped(property.Name)}"));
                    }
                }
                else if (at.Json.ValueKind == JsonValueKind.Array)
                {
                    int index = 0;
                    foreach (JsonElement item in at.Json.EnumerateArray())
                    {
                        pending.Push((item, $"{at.Pointer}/{index++}"));
                    }
                }
            }
            catch (InvalidOperationException)
            {
                throw new ConstraintException("schema", "#" + at.Pointer, "has half a surrogate pair in a text.");
            }
        }
    }

    private static string Escaped(string name) => name.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal);

    // Finds identifiers and anchors, wherever they stand but inside enum and const.
    private void Index(SchemaResource root)
    {
        Stack<(JsonElement Json, string Pointer, SchemaResource Resource, int Depth)> pending = new([(root.Json, string.Empty, root, 0)]);
        while (pending.TryPop(out (JsonElement Json, string Pointer, SchemaResource Resource, int Depth) at))
        {
            if (at.Depth > _limits.MaxDepth)
            {
                throw new ConstraintException("schema", "#" + at.Pointer, $"nests deeper than {_limits.MaxDepth} levels.");
            }
            if (at.Json.ValueKind == JsonValueKind.Array)
            {
                int index = 0;
                foreach (JsonElement item in at.Json.EnumerateArray())
                {
                    pending.Push((item, $"{at.Pointer}/{index++}", at.Resource, at.Depth + 1));
                }
            }
            if (at.Json.ValueKind != JsonValueKind.Object)
            {
                continue;
            }
            SchemaResource resource = Identify(at.Json, at.Pointer, at.Resource);
            foreach (JsonProperty property in at.Json.EnumerateObject())
            {
                if (property.Value.ValueKind is JsonValueKind.Object or JsonValueKind.Array && property.Name is not ("enum" or "const"))
                {
                    pending.Push((property.Value, $"{at.Pointer}/{Escaped(property.Name)}", resource, at.Depth + 1));
                }
            }
        }
    }

    private SchemaResource Identify(JsonElement json, string pointer, SchemaResource outer)
    {
        SchemaResource resource = outer;
        if (pointer.Length > 0 && IdOf(json, outer.Draft) is string id)
        {
            if (id.StartsWith('#'))
            {
                outer.Anchors.TryAdd(id[1..], (json, pointer));
            }
            else
            {
                SchemaDraft draft = DraftOf(json, out bool declared) ?? outer.Draft;
                resource = new SchemaResource(Combine(outer.Uri, id), json, pointer, draft, declared || outer.Declared);
                _resources.TryAdd(Normalize(resource.Uri), resource);
                _resourceAt[pointer] = resource;
            }
        }
        foreach (string keyword in (string[])["$anchor", "$dynamicAnchor"])
        {
            if (json.TryGetProperty(keyword, out JsonElement anchor) && anchor.ValueKind == JsonValueKind.String)
            {
                resource.Anchors.TryAdd(anchor.GetString()!, (json, pointer));
                if (keyword == "$dynamicAnchor")
                {
                    resource.DynamicAnchors.Add(anchor.GetString()!);
                }
            }
        }
        return resource;
    }

    private static string? IdOf(JsonElement json, SchemaDraft draft)
    {
        string keyword = draft == SchemaDraft.Draft4 ? "id" : "$id";
        return json.ValueKind == JsonValueKind.Object && json.TryGetProperty(keyword, out JsonElement id) && id.ValueKind == JsonValueKind.String
            && (draft > SchemaDraft.Draft7 || !json.TryGetProperty("$ref", out JsonElement reference) || reference.ValueKind != JsonValueKind.String)
            ? id.GetString()
            : null;
    }

    private static SchemaDraft? DraftOf(JsonElement json, out bool declared)
    {
        string? name = json.ValueKind == JsonValueKind.Object && json.TryGetProperty("$schema", out JsonElement schema)
            && schema.ValueKind == JsonValueKind.String ? schema.GetString() : null;
        SchemaDraft? draft = name is null ? null
            : name.Contains("draft-04", StringComparison.Ordinal) ? SchemaDraft.Draft4
            : name.Contains("draft-06", StringComparison.Ordinal) ? SchemaDraft.Draft6
            : name.Contains("draft-07", StringComparison.Ordinal) ? SchemaDraft.Draft7
            : name.Contains("2019-09", StringComparison.Ordinal) ? SchemaDraft.Draft201909
            : name.Contains("2020-12", StringComparison.Ordinal) ? SchemaDraft.Draft202012
            : null;
        declared = draft is not null;
        return draft;
    }

    private static string Combine(string baseUri, string reference) =>
        System.Uri.TryCreate(reference, UriKind.Absolute, out _) ? reference
        : System.Uri.TryCreate(baseUri, UriKind.Absolute, out System.Uri? absolute)
            && System.Uri.TryCreate(absolute, reference, out System.Uri? combined) ? combined.ToString()
        : reference;

    private static string Normalize(string uri)
    {
        int hash = uri.IndexOf('#', StringComparison.Ordinal);
        return hash < 0 ? uri : uri[..hash];
    }
}
