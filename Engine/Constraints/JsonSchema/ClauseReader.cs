using System.Globalization;
using System.Text.Json;
using Llama4Kernels.Engine.Constraints.Lexing;

namespace Llama4Kernels.Engine.Constraints.JsonSchema;

/// <summary>Reads the keywords of a schema. What the drafts call annotations is passed over.</summary>
internal sealed class ClauseReader(
    SchemaDocument document, AutomatonLibrary library, ConstraintBudget budget, Func<int, TypeSet> typesOf, Func<int, int, bool> disjoint)
{
    private static readonly Dictionary<string, TypeSet> s_typeNames = new(StringComparer.Ordinal)
    {
        ["null"] = TypeSet.Null,
        ["boolean"] = TypeSet.Boolean,
        ["number"] = TypeSet.Number,
        ["integer"] = TypeSet.Number,
        ["string"] = TypeSet.String,
        ["array"] = TypeSet.Array,
        ["object"] = TypeSet.Object,
    };

    private static readonly string[] s_refused = ["unevaluatedProperties", "unevaluatedItems"];

    public List<Clause> Read(Subschema schema)
    {
        List<Clause> clauses = [];
        if (schema.IsFalse)
        {
            clauses.Add(new Clause.Type(TypeSet.None, null));
        }
        if (schema.Json.ValueKind != JsonValueKind.Object)
        {
            return clauses;
        }
        bool refOnly = schema.IsReferenceOnly;
        foreach (JsonProperty property in schema.Json.EnumerateObject())
        {
            if (!refOnly || property.Name == "$ref")
            {
                budget.Subject = (property.Name, "#" + schema.Pointer);
                Read(schema, property.Name, property.Value, clauses);
            }
        }
        if (!refOnly)
        {
            ReadArray(schema, clauses);
            ReadObject(schema, clauses);
        }
        return clauses;
    }

    private void Read(Subschema schema, string keyword, JsonElement value, List<Clause> clauses)
    {
        switch (keyword)
        {
            case "$ref" or "$dynamicRef" or "$recursiveRef" when value.ValueKind == JsonValueKind.String:
                clauses.Add(new Clause.Demand(keyword, document.Resolve(schema, keyword, value.GetString()!).Positive));
                break;
            case "type":
                clauses.Add(ReadType(schema, value));
                break;
            case "enum" when value.ValueKind == JsonValueKind.Array:
                clauses.Add(ReadValues(schema, keyword, [.. value.EnumerateArray()]));
                break;
            case "const" when schema.Resource.Draft >= SchemaDraft.Draft6:
                clauses.Add(ReadValues(schema, keyword, [value]));
                break;
            case "allOf":
                clauses.AddRange(Literals(schema, keyword, value).Select(literal => new Clause.Demand(keyword, literal)));
                break;
            case "anyOf":
                clauses.Add(new Clause.AnyOf([.. Literals(schema, keyword, value).Distinct()], typesOf));
                break;
            case "oneOf":
                clauses.Add(new Clause.OneOf([.. Literals(schema, keyword, value)], typesOf, disjoint));
                break;
            case "not":
                clauses.Add(new Clause.Demand(keyword, Literal(schema, value, keyword) ^ 1));
                break;
            case "if" when schema.Resource.Draft >= SchemaDraft.Draft7:
                int then = schema.TryGet("then", out JsonElement thenJson) ? Literal(schema, thenJson, "then") : SchemaLiterals.True;
                int other = schema.TryGet("else", out JsonElement elseJson) ? Literal(schema, elseJson, "else") : SchemaLiterals.True;
                if (then != SchemaLiterals.True || other != SchemaLiterals.True)
                {
                    clauses.Add(new Clause.Conditional(Literal(schema, value, keyword), then, other));
                }
                break;
            case "minimum" or "maximum" or "exclusiveMinimum" or "exclusiveMaximum" or "multipleOf":
                clauses.AddRange(ReadNumber(schema, keyword, value));
                break;
            case "pattern":
                clauses.Add(new Clause.Text(keyword, new TextTest(TextTestKind.Pattern, Pattern(schema, keyword, Text(schema, keyword, value)))));
                break;
            case "format" when value.ValueKind == JsonValueKind.String:
                if (Formats.Check(value.GetString()!, schema))
                {
                    clauses.Add(new Clause.Text(keyword, new TextTest(TextTestKind.Format, value.GetString()!)));
                }
                break;
            case "minLength" or "maxLength":
                clauses.Add(ReadCount(schema, keyword, value, TypeSet.String, static (conjunct, min, max) => conjunct.LimitLength(min, max)));
                break;
            case "minItems" or "maxItems":
                clauses.Add(ReadCount(schema, keyword, value, TypeSet.Array, static (conjunct, min, max) => conjunct.LimitItems(min, max)));
                break;
            case "minProperties" or "maxProperties":
                clauses.Add(ReadCount(schema, keyword, value, TypeSet.Object, static (conjunct, min, max) => conjunct.LimitProperties(min, max)));
                break;
            case "uniqueItems" when value.ValueKind == JsonValueKind.True:
                clauses.Add(new ArrayClauses.Unique(schema));
                break;
            case "required" when value.ValueKind == JsonValueKind.Array:
                clauses.Add(new ObjectClauses.Required(Names(schema, keyword, value)));
                break;
            case "propertyNames" when schema.Resource.Draft >= SchemaDraft.Draft6:
                clauses.Add(new ObjectClauses.Names(Literal(schema, value, keyword)));
                break;
            case "dependencies" or "dependentRequired" or "dependentSchemas":
                clauses.AddRange(ReadDependencies(schema, keyword, value));
                break;
            default:
                if (s_refused.Contains(keyword) && value.ValueKind != JsonValueKind.True)
                {
                    throw schema.Error(keyword, "is not supported.");
                }
                break;
        }
    }

    private static Clause.Type ReadType(Subschema schema, JsonElement value)
    {
        string[] names = value.ValueKind == JsonValueKind.Array
            ? [.. value.EnumerateArray().Select(name => Text(schema, "type", name))]
            : [Text(schema, "type", value)];
        TypeSet types = TypeSet.None;
        foreach (string name in names)
        {
            types |= s_typeNames.TryGetValue(name, out TypeSet type) ? type : throw schema.Error("type", $"there is no type {name}.");
        }
        if (schema.TryGet("nullable", out JsonElement nullable) && nullable.ValueKind == JsonValueKind.True)
        {
            types |= TypeSet.Null;
        }
        bool integersOnly = names.Contains("integer") && !names.Contains("number");
        // To draft 4 an integer is what is written as one; later 1.0 is one too.
        NumberTestKind integer = schema.Resource.Draft == SchemaDraft.Draft4 ? NumberTestKind.Digits : NumberTestKind.Integer;
        return new Clause.Type(types, integersOnly ? new NumberTest(integer, string.Empty) : null);
    }

    private Clause.Values ReadValues(Subschema schema, string keyword, JsonElement[] values)
    {
        TypeSet simple = TypeSet.None;
        List<string> texts = [];
        List<string> numbers = [];
        List<int> arrays = [];
        List<int> objects = [];
        foreach (JsonElement value in values)
        {
            switch (value.ValueKind)
            {
                case JsonValueKind.Null:
                    simple |= TypeSet.Null;
                    break;
                case JsonValueKind.True:
                    simple |= TypeSet.True;
                    break;
                case JsonValueKind.False:
                    simple |= TypeSet.False;
                    break;
                case JsonValueKind.String:
                    texts.Add(value.GetString()!);
                    break;
                case JsonValueKind.Number:
                    // Plainly, as the schema has it, and whole numbers also as those write them who know only fractions.
                    string number = Decimal(schema, keyword, value);
                    numbers.AddRange([number, value.GetRawText()]);
                    if (!number.Contains('.', StringComparison.Ordinal))
                    {
                        numbers.Add(number + ".0");
                    }
                    break;
                case JsonValueKind.Array:
                    arrays.Add(document.Constant(value, schema).Positive);
                    break;
                default:
                    objects.Add(document.Constant(value, schema).Positive);
                    break;
            }
        }
        return new Clause.Values(
            keyword, simple, [.. texts.Distinct(StringComparer.Ordinal)], [.. numbers.Distinct(StringComparer.Ordinal)], [.. arrays], [.. objects]);
    }

    private static IEnumerable<Clause> ReadNumber(Subschema schema, string keyword, JsonElement value)
    {
        if (value.ValueKind is JsonValueKind.True or JsonValueKind.False && keyword is "exclusiveMinimum" or "exclusiveMaximum")
        {
            // Draft 4: a flag of minimum and maximum, which read it.
            yield break;
        }
        string operand = Decimal(schema, keyword, value);
        bool exclusive = keyword is "exclusiveMinimum" or "exclusiveMaximum"
            || (schema.TryGet(keyword == "minimum" ? "exclusiveMinimum" : "exclusiveMaximum", out JsonElement flag)
                && flag.ValueKind == JsonValueKind.True && keyword != "multipleOf");
        NumberTest test = keyword switch
        {
            "multipleOf" when operand == "0" || operand[0] == '-' => throw schema.Error(keyword, "must be more than 0."),
            "multipleOf" => new NumberTest(NumberTestKind.MultipleOf, operand),
            "minimum" or "exclusiveMinimum" => new NumberTest(exclusive ? NumberTestKind.MoreThan : NumberTestKind.AtLeast, operand),
            _ => new NumberTest(exclusive ? NumberTestKind.AtLeast : NumberTestKind.MoreThan, operand, Negative: true),
        };
        yield return new Clause.Number(keyword, test);
    }

    private Clause.Count ReadCount(Subschema schema, string keyword, JsonElement value, TypeSet type, Action<Conjunct, int, int> limit)
    {
        int count = Integer(schema, keyword, value);
        bool isMin = keyword.StartsWith("min", StringComparison.Ordinal);
        if (isMin && count > budget.Limits.MaxRepeat)
        {
            throw schema.Error(keyword, $"is more than {budget.Limits.MaxRepeat}.");
        }
        return new Clause.Count(keyword, type, limit, isMin ? count : 0, isMin ? int.MaxValue : count);
    }

    private void ReadArray(Subschema schema, List<Clause> clauses)
    {
        List<int> prefix = [];
        int? rest = null;
        bool hasItems = schema.TryGet("items", out JsonElement items);
        if (schema.TryGet("prefixItems", out JsonElement prefixItems) && (schema.Resource.Draft >= SchemaDraft.Draft202012 || !schema.Resource.Declared))
        {
            prefix.AddRange(Literals(schema, "prefixItems", prefixItems));
        }
        if (hasItems && items.ValueKind == JsonValueKind.Array)
        {
            prefix.AddRange(Literals(schema, "items", items));
            rest = schema.TryGet("additionalItems", out JsonElement additional) ? Literal(schema, additional, "additionalItems") : null;
        }
        else if (hasItems)
        {
            rest = Literal(schema, items, "items");
        }
        if (prefix.Count > 0 || rest is not (null or SchemaLiterals.True))
        {
            clauses.Add(new ArrayClauses.Items(new ArrayPart(prefix, rest == SchemaLiterals.True ? null : rest)));
        }
        if (schema.TryGet("contains", out JsonElement contains) && schema.Resource.Draft >= SchemaDraft.Draft6)
        {
            bool counted = schema.Resource.Draft >= SchemaDraft.Draft201909;
            int min = counted && schema.TryGet("minContains", out JsonElement least) ? Integer(schema, "minContains", least) : 1;
            int max = counted && schema.TryGet("maxContains", out JsonElement most) ? Integer(schema, "maxContains", most) : int.MaxValue;
            clauses.Add(new ArrayClauses.Contains(Literal(schema, contains, "contains"), min, max));
        }
    }

    private void ReadObject(Subschema schema, List<Clause> clauses)
    {
        List<(string, int)> properties = [];
        List<(string, int)> patterns = [];
        if (schema.TryGet("properties", out JsonElement named))
        {
            properties.AddRange(Members(schema, "properties", named));
        }
        if (schema.TryGet("patternProperties", out JsonElement matched))
        {
            budget.Subject = ("patternProperties", "#" + schema.Pointer);
            patterns.AddRange(Members(schema, "patternProperties", matched).Select(entry => (Pattern(schema, "patternProperties", entry.Name), entry.Literal)));
        }
        int? additional = schema.TryGet("additionalProperties", out JsonElement others) ? Literal(schema, others, "additionalProperties") : null;
        if (properties.Count + patterns.Count > 0 || additional is not (null or SchemaLiterals.True))
        {
            clauses.Add(new ObjectClauses.Properties("properties", new ObjectPart(properties, patterns, additional == SchemaLiterals.True ? null : additional)));
        }
    }

    private IEnumerable<Clause> ReadDependencies(Subschema schema, string keyword, JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.Object)
        {
            throw schema.Error(keyword, "is not an object.");
        }
        foreach (JsonProperty property in value.EnumerateObject())
        {
            yield return property.Value.ValueKind switch
            {
                JsonValueKind.Array => new ObjectClauses.Dependency(keyword, property.Name, Names(schema, keyword, property.Value), null),
                JsonValueKind.String => new ObjectClauses.Dependency(keyword, property.Name, [property.Value.GetString()!], null),
                _ => new ObjectClauses.Dependency(keyword, property.Name, [], Literal(schema, property.Value, keyword, property.Name)),
            };
        }
    }

    private int Literal(Subschema schema, JsonElement json, params ReadOnlySpan<string> path)
    {
        Subschema child = document.Child(schema, json, path);
        return child.IsTrue ? SchemaLiterals.True : child.IsFalse ? SchemaLiterals.False : child.Positive;
    }

    private int[] Literals(Subschema schema, string keyword, JsonElement value) => value.ValueKind == JsonValueKind.Array
        ? [.. value.EnumerateArray().Select((item, index) => Literal(schema, item, keyword, index.ToString(CultureInfo.InvariantCulture)))]
        : throw schema.Error(keyword, "is not an array of schemas.");

    private IEnumerable<(string Name, int Literal)> Members(Subschema schema, string keyword, JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.Object)
        {
            throw schema.Error(keyword, "is not an object of schemas.");
        }
        foreach (JsonProperty property in value.EnumerateObject())
        {
            yield return (property.Name, Literal(schema, property.Value, keyword, property.Name));
        }
    }

    // Compiled now, so that what is wrong with it is said of its place.
    private string Pattern(Subschema schema, string keyword, string pattern)
    {
        try
        {
            library.Pattern(pattern, budget);
            return pattern;
        }
        catch (ConstraintException error) when (!error.Place.StartsWith('#'))
        {
            throw schema.Error(keyword, $"{error.Place}: {error.Reason}");
        }
    }

    private static string[] Names(Subschema schema, string keyword, JsonElement value) =>
        [.. value.EnumerateArray().Select(name => Text(schema, keyword, name)).Distinct(StringComparer.Ordinal)];

    private static string Text(Subschema schema, string keyword, JsonElement value) =>
        value.ValueKind == JsonValueKind.String ? value.GetString()! : throw schema.Error(keyword, "is not a string.");

    private static string Decimal(Subschema schema, string keyword, JsonElement value) => value.ValueKind == JsonValueKind.Number
        ? PlainDecimal.Of(value.GetRawText()) ?? throw schema.Error(keyword, "has more than 400 digits.")
        : throw schema.Error(keyword, "is not a number.");

    private static int Integer(Subschema schema, string keyword, JsonElement value)
    {
        string plain = Decimal(schema, keyword, value);
        return plain[0] == '-' || plain.Contains('.', StringComparison.Ordinal) ? throw schema.Error(keyword, "is not a whole number of 0 or more.")
            : int.TryParse(plain, NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number
            : int.MaxValue;
    }
}
