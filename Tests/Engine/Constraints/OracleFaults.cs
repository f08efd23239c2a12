using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Llama4Kernels.Tests.Engine.Constraints;

/// <summary>Where JsonSchema.Net and not the constraint is wrong: what it says, and why it is mistaken.</summary>
internal static partial class OracleFaults
{
    private static readonly JsonSerializerOptions s_plainly = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, MaxDepth = 2000 };

    /// <summary>
    /// Whether a verdict is known to be wrong. The validator takes a mailbox only under a top-level domain of two letters or more; RFC
    /// 5321, section 4.1.2, by which the drafts define <c>email</c>, has no such rule. Under <c>example.com</c> it must take the same
    /// document.
    /// </summary>
    public static bool Explain(SchemaOracle oracle, string document, string verdict)
    {
        if (!verdict.Contains("format \"email\"", StringComparison.Ordinal))
        {
            return false;
        }
        string plain = JsonNode.Parse(document, documentOptions: new JsonDocumentOptions { MaxDepth = 2000 })!.ToJsonString(s_plainly);
        return oracle.Fault(Domain().Replace(plain, "@example.com")) is null;
    }

    [GeneratedRegex("""@[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*(?=")""")]
    private static partial Regex Domain();
}
