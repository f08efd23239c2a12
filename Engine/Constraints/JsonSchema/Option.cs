namespace Llama4Kernels.Engine.Constraints.JsonSchema;

/// <summary>One way to meet a condition.</summary>
/// <param name="Types">The types of value that it can hold for.</param>
internal readonly record struct Option(TypeSet Types)
{
    /// <summary>What <paramref name="apply"/> demands, which nobody looks into.</summary>
    public Option(TypeSet types, Action<Conjunct> apply)
        : this(types) => Apply = apply;

    /// <summary>Schemas that hold.</summary>
    public int[] Literals { get; init; } = [];

    /// <summary>Properties that an object has.</summary>
    public string[] Present { get; init; } = [];

    /// <summary>Properties that an object does not have.</summary>
    public string[] Absent { get; init; } = [];

    /// <summary>A schema that holds for the value of a property that an object has.</summary>
    public (string Name, int Literal)? Property { get; init; }

    /// <summary>What else it demands; nothing if null.</summary>
    public Action<Conjunct>? Apply { get; private init; }

    /// <summary>Adds all that it demands.</summary>
    public void AddTo(Conjunct conjunct)
    {
        conjunct.Restrict(Types);
        Array.ForEach(Literals, conjunct.Demand);
        Array.ForEach(Present, conjunct.Require);
        Array.ForEach(Absent, conjunct.Forbid);
        if (Property is (string name, int literal))
        {
            conjunct.Require(name);
            conjunct.Named.Add((name, literal));
        }
        Apply?.Invoke(conjunct);
    }
}
