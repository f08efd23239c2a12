namespace Llama4Kernels.Engine.Constraints;

/// <summary>How the documents of a schema are written.</summary>
public sealed record JsonSchemaOptions
{
    /// <summary>The defaults.</summary>
    public static JsonSchemaOptions Default { get; } = new();

    /// <summary>Where white space may stand.</summary>
    public JsonWhiteSpace WhiteSpace
    {
        get;
        init => field = Enum.IsDefined(value) ? value : throw new ArgumentException($"{nameof(WhiteSpace)} is neither {nameof(JsonWhiteSpace.Compact)} nor {nameof(JsonWhiteSpace.Free)}.", nameof(WhiteSpace));
    }
}
