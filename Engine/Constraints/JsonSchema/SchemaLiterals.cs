namespace Llama4Kernels.Engine.Constraints.JsonSchema;

/// <summary>
/// A schema that is demanded or forbidden, as a number: twice the schema's number, plus one if forbidden. Schema 0 holds for nothing.
/// </summary>
internal static class SchemaLiterals
{
    public const int False = 0;
    public const int True = 1;
}
