namespace Llama4Kernels.Engine.Constraints.JsonSchema;

/// <summary>The language in which values are written.</summary>
internal enum JsonDialect
{
    /// <summary>JSON.</summary>
    Json,

    /// <summary>Python literals: None, True, False, strings in either quotes, lists and dictionaries.</summary>
    Python,
}
