using Llama4Kernels.Engine.Constraints.Lexing;

namespace Llama4Kernels.Engine.Constraints.JsonSchema;

/// <summary>The values of a <see cref="SchemaSet"/>, type by type; any of the entries will do.</summary>
internal sealed class ValueShape
{
    /// <summary>Null, true and false.</summary>
    public TypeSet Simple { get; set; }

    public List<TextLanguage> Texts { get; } = [];

    /// <summary>By key; and whether they are integers by their type.</summary>
    public List<(string Key, Dfa Dfa, bool AreIntegers)> Numbers { get; } = [];

    public List<ArrayShape> Arrays { get; } = [];

    public List<ObjectShape> Objects { get; } = [];

    public bool HasScalars => Simple != 0 || Texts.Count + Numbers.Count > 0;
}
