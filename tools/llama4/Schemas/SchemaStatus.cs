namespace Llama4Kernels.Cli.Schemas;

/// <summary>What became of a schema.</summary>
internal static class SchemaStatus
{
    /// <summary>Every instance was judged rightly.</summary>
    public const string Ok = "ok";

    /// <summary>It was refused when compiling, with the keyword.</summary>
    public const string Refused = "refused";

    /// <summary>A valid instance was stopped.</summary>
    public const string ValidStopped = "valid_stopped";

    /// <summary>An invalid instance was let through.</summary>
    public const string InvalidPassed = "invalid_passed";

    /// <summary>Something else went wrong.</summary>
    public const string Error = "error";

    public static IReadOnlyList<string> All { get; } = [Ok, Refused, ValidStopped, InvalidPassed, Error];
}
