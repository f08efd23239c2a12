namespace Llama4Kernels.Engine.Constraints.JsonSchema;

/// <summary>The language in which values are written.</summary>
internal enum JsonDialect
{
    /// <summary>JSON.</summary>
    Json,

    /// <summary>Python literals: None, True, False, strings in either quotes, lists and dictionaries.</summary>
    Python,

    /// <summary>Python too, but the document, an object, as arguments of a call up to its closing parenthesis: <c>a=1, b='x')</c>.</summary>
    PythonArguments,
}
