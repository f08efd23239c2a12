namespace Llama4Kernels.Engine.Constraints;

/// <summary>Where white space may stand in JSON.</summary>
public enum JsonWhiteSpace
{
    /// <summary>Nowhere but inside strings.</summary>
    Compact,

    /// <summary>Wherever JSON allows it inside the document.</summary>
    Free,
}
