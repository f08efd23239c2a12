namespace Llama4Kernels.Engine.Constraints.JsonSchema;

/// <summary>The drafts of JSON Schema, in order.</summary>
internal enum SchemaDraft
{
    Draft4,
    Draft6,
    Draft7,
    Draft201909,
    Draft202012,
}
