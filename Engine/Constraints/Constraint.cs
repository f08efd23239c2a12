using Llama4Kernels.Engine.Constraints.Parsing;

namespace Llama4Kernels.Engine.Constraints;

/// <summary>
/// What answers keep to, compiled by a <see cref="ConstraintCompiler"/> for one vocabulary. Immutable for its users: any number of
/// requests and threads may share it, and what one has computed the others find.
/// </summary>
public sealed class Constraint
{
    private readonly Machine _machine;

    internal Constraint(Machine machine) => _machine = machine;

    /// <summary>What runs it.</summary>
    internal Machine Machine => _machine;

    /// <summary>Bytes of what has been computed and is remembered, about.</summary>
    internal long Bytes => _machine.Bytes;

    /// <summary>The state of a new answer.</summary>
    public ITokenConstraint Start() => new Matcher(_machine, _machine.Start);
}
