namespace Llama4Kernels.Tests.Engine.Constraints;

/// <summary>Where JsonSchema.Net and not the constraint is wrong: what it says, and why it is mistaken.</summary>
internal static class OracleFaults
{
    private static readonly (string Schema, string Says, string Why)[] s_known = [];

    /// <summary>Whether a verdict on a schema's document is known to be wrong.</summary>
    public static bool IsKnown(string schema, string verdict) => s_known.Any(
        known => (known.Schema == "*" || known.Schema == schema) && verdict.Contains(known.Says, StringComparison.Ordinal));
}
