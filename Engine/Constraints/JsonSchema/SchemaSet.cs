using Llama4Kernels.Engine.Constraints.Parsing;

namespace Llama4Kernels.Engine.Constraints.JsonSchema;

/// <summary>Schemas that a value must meet together, and others that it must not. Equal sets of a schema are one object.</summary>
internal sealed class SchemaSet(int id, int[] literals, int[] scope, bool writtenOneWay)
{
    public int Id => id;

    /// <summary>Ascending.</summary>
    public int[] Literals => literals;

    /// <summary>The schemas that order the properties, see <see cref="PropertyScopes"/>.</summary>
    public int[] Scope => scope;

    /// <summary>Whether every value is written in one way only, so that equal values can be told by their texts.</summary>
    public bool WrittenOneWay => writtenOneWay;

    /// <summary>The values, once they have been worked out.</summary>
    public ValueShape? Shape { get; set; }

    /// <summary>Whether the values are being worked out.</summary>
    public bool IsExpanding { get; set; }

    /// <summary>Whether there is a value.</summary>
    public bool IsProductive { get; set; }

    /// <summary>The rule that writes a value.</summary>
    public Rule? Rule { get; set; }
}
