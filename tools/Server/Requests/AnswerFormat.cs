using System.Text.Json;
using Llama4Kernels.Engine.Constraints;
using Llama4Kernels.Server.Errors;

namespace Llama4Kernels.Server.Requests;

/// <summary>Reads the form that an answer is to have: text, a JSON object, or what a schema accepts.</summary>
internal static class AnswerFormat
{
    /// <summary>What the answer keeps to; null for any text.</summary>
    /// <param name="format">The field; null for one that is missing.</param>
    /// <param name="compiler">The compiler of the model's vocabulary.</param>
    /// <param name="limits">The server's.</param>
    /// <param name="isFlat">Whether a schema's fields stand beside the type.</param>
    public static ITokenConstraint? Read(Fields? format, ConstraintCompiler compiler, ServerLimits limits, bool isFlat)
    {
        if (format is not Fields fields)
        {
            return null;
        }
        switch (fields.NeedText("type"))
        {
            case "text":
                fields.Check(["type"]);
                return null;
            case "json_object":
                fields.Check(["type"]);
                return compiler.JsonObject();
            case "json_schema":
                fields.Check(isFlat ? ["type", "name", "description", "schema", "strict"] : ["type", "json_schema"]);
                Fields named = isFlat ? fields : fields.NeedObject("json_schema");
                if (!isFlat)
                {
                    named.Check(["name", "description", "schema", "strict"]);
                }
                named.NeedText("name");
                return Compile(named.NeedAny("schema"), named.At("schema"), compiler, limits);
            default:
                throw ApiException.Unsupported(fields.At("type"), $"'{fields.At("type")}' must be text, json_object or json_schema.");
        }
    }

    private static ITokenConstraint Compile(JsonElement schema, string path, ConstraintCompiler compiler, ServerLimits limits)
    {
        int length = schema.GetRawText().Length;
        return length <= limits.MaxSchemaLength
            ? ErrorTable.At(path, () => compiler.JsonSchema(schema))
            : throw ApiException.Invalid(path, $"The schema has {length} characters; {limits.MaxSchemaLength} are allowed.");
    }
}
