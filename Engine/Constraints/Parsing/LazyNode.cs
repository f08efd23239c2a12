namespace Llama4Kernels.Engine.Constraints.Parsing;

/// <summary>A node whose edges a function makes when they are first asked for.</summary>
internal sealed class LazyNode(Func<Node.Edges> build) : Node
{
    private Func<Edges>? _build = build;

    /// <summary>The end of a rule, which all machines share.</summary>
    public static LazyNode End { get; } = Made(new LazyNode(() => new Edges([], [], true)));

    // Asked once: what the function holds is not needed any longer.
    protected override Edges Build()
    {
        Edges edges = _build!();
        _build = null;
        return edges;
    }

    private static LazyNode Made(LazyNode node)
    {
        _ = node.Next;
        return node;
    }
}
