namespace Llama4Kernels.Engine.Constraints.Parsing;

/// <summary>
/// The calls that are open: the places to return to, each with the calls that are open around it. Stacks that agree are one object.
/// </summary>
internal sealed class StackNode(int id, StackNode.Link[] links)
{
    public int Id => id;

    /// <summary>Empty at the bottom, where a return ends the whole text.</summary>
    public Link[] Links => links;

    public readonly record struct Link(Node Return, StackNode Parent);
}
