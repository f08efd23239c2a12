namespace Llama4Kernels.Engine.Constraints.Lexing;

/// <summary>How a text is written.</summary>
internal enum TextForm
{
    /// <summary>As it is, in UTF-8.</summary>
    Raw,

    /// <summary>A JSON string in which every escape of JSON may stand; surrogates in pairs.</summary>
    JsonWithEscapes,

    /// <summary>A JSON string that escapes only what it must, in one way, so that equal texts are equal bytes.</summary>
    Json,

    /// <summary>A Python string literal in single or double quotes that escapes only what it must.</summary>
    Python,
}
