using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using Llama4Kernels.Engine.Constraints.JsonSchema;
using Llama4Kernels.Engine.Constraints.Lexing;
using Llama4Kernels.Engine.Constraints.Regex;

namespace Llama4Kernels.Engine.Constraints;

/// <summary>
/// Writes documents as constraints write them: keys in the order of the schema's properties, other keys after them in the document's
/// order, strings escaped only where they must be. What holds half a surrogate pair, which JSON's grammar lets through though it is no
/// text (RFC 8259, section 8.2), stays as the document has it; no constraint allows it. For one schema; not thread-safe.
/// </summary>
internal sealed class SchemaWriter
{
    private readonly SchemaDocument _document;
    private readonly PropertyScopes _scopes;
    private readonly ConstraintBudget _budget = new(ConstraintLimits.Default);
    private readonly Dictionary<string, Dfa?> _patterns = new(StringComparer.Ordinal);

    /// <summary>Takes a schema.</summary>
    /// <param name="schema">Any JSON; what is not a schema orders nothing.</param>
    /// <exception cref="ConstraintException">The schema is neither an object nor true or false, or nests too deeply.</exception>
    public SchemaWriter(JsonElement schema)
    {
        _document = new SchemaDocument(schema.Clone(), _budget.Limits);
        _scopes = new PropertyScopes(_document, Pattern);
    }

    /// <summary>Writes a document, which need not be valid.</summary>
    /// <param name="value">The document.</param>
    /// <param name="indented">Whether on lines of their own, indented by two spaces; else without any white space.</param>
    public string Write(JsonElement value, bool indented = false)
    {
        StringBuilder text = new();
        Write(value, [_document.Root.Positive], indented ? 0 : -1, text);
        return text.ToString();
    }

    private void Write(JsonElement value, int[] literals, int level, StringBuilder text)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Object:
                Dictionary<string, int> ranks = _scopes.Ranks(literals);
                WriteItems(
                    '{', '}',
                    [.. value.EnumerateObject().Select(property => (Name: NameOf(property), property.Value)).DistinctBy(property => property.Name)
                        .OrderBy(property => ranks.GetValueOrDefault(property.Name.Text, int.MaxValue))],
                    level, text,
                    property =>
                    {
                        text.Append(property.Name.Written).Append(level < 0 ? ":" : ": ");
                        Write(property.Value, _scopes.OfProperty(literals, property.Name.Text), Deeper(level), text);
                    });
                break;
            case JsonValueKind.Array:
                int index = 0;
                WriteItems('[', ']', [.. value.EnumerateArray()], level, text, item => Write(item, _scopes.OfItem(literals, index++), Deeper(level), text));
                break;
            case JsonValueKind.String:
                text.Append(Written(value.GetString, value.GetRawText).Written);
                break;
            case JsonValueKind.Number:
                text.Append(value.GetRawText());
                break;
            default:
                text.Append(value.ValueKind == JsonValueKind.Null ? "null" : value.ValueKind == JsonValueKind.True ? "true" : "false");
                break;
        }
    }

    private static (string Text, string Written) NameOf(JsonProperty property) =>
        Written(() => property.Name, () => $"\"{Encoding.UTF8.GetString(JsonMarshal.GetRawUtf8PropertyName(property))}\"");

    private static (string Text, string Written) Written(Func<string?> text, Func<string> raw)
    {
        try
        {
            string whole = text()!;
            return (whole, Encoding.UTF8.GetString(TextDecoder.Write(TextForm.Json, whole)));
        }
        catch (InvalidOperationException)
        {
            // The reader's way to say that it is no text.
            return (raw(), raw());
        }
    }

    private static int Deeper(int level) => level < 0 ? level : level + 1;

    private static void WriteItems<T>(char open, char close, IReadOnlyList<T> items, int level, StringBuilder text, Action<T> write)
    {
        text.Append(open);
        for (int i = 0; i < items.Count; i++)
        {
            text.Append(i == 0 ? string.Empty : ",");
            Break(level < 0 ? level : level + 1, text);
            write(items[i]);
        }
        if (items.Count > 0)
        {
            Break(level, text);
        }
        text.Append(close);
    }

    private static void Break(int level, StringBuilder text)
    {
        if (level >= 0)
        {
            text.Append('\n').Append(' ', 2 * level);
        }
    }

    private Dfa? Pattern(string pattern)
    {
        if (!_patterns.TryGetValue(pattern, out Dfa? dfa))
        {
            try
            {
                dfa = RegexParser.Search(pattern, _budget);
            }
            catch (ConstraintException)
            {
                // A schema that the compiler refuses for this pattern; its order is of no account.
                dfa = null;
            }
            _patterns.Add(pattern, dfa);
        }
        return dfa;
    }
}
