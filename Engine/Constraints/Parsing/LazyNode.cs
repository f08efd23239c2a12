namespace Llama4Kernels.Engine.Constraints.Parsing;

/// <summary>A node whose edges a function makes when they are first asked for.</summary>
internal sealed class LazyNode(Func<Node.Edges> build) : Node
{
    /// <summary>The end of a rule.</summary>
    public static LazyNode End { get; } = new(() => new Edges([], [], true));

    protected override Edges Build() => build();
}
