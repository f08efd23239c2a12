using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Llama4Kernels.Tests.Engine.Constraints;

/// <summary>Where JsonSchema.Net and not the constraint is wrong: what it refuses, and what it must take in its place.</summary>
internal static partial class OracleFaults
{
    private static readonly JsonSerializerOptions s_plainly = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, MaxDepth = 2000 };

    private static readonly (string Format, Regex Refused, string Instead)[] s_known =
    [
        // A mailbox only under a top-level domain of two letters or more. RFC 5321, section 4.1.2, by which the drafts define it, knows no such rule.
        ("email", Domain(), "@example.com"),
        // No scheme alone. By RFC 3986, section 3, what follows it may be an empty path.
        ("uri", SchemeAlone(), "\"urn:a\""),
    ];

    /// <summary>Whether a verdict is known to be wrong: with another text in the place of what is refused for no reason, the document is taken.</summary>
    public static bool Explain(SchemaOracle oracle, string document, string verdict)
    {
        string plain = JsonNode.Parse(document, documentOptions: new JsonDocumentOptions { MaxDepth = 2000 })?.ToJsonString(s_plainly) ?? "null";
        return Array.Exists(
            s_known,
            known => verdict.Contains($"format \"{known.Format}\"", StringComparison.Ordinal) && oracle.Fault(known.Refused.Replace(plain, known.Instead)) is null);
    }

    [GeneratedRegex("""@[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*(?=")""")]
    private static partial Regex Domain();

    [GeneratedRegex("""(?<=:|\[|,)"[A-Za-z][A-Za-z0-9+.-]*:"(?!:)""")]
    private static partial Regex SchemeAlone();
}
