namespace Llama4Kernels.Engine.Constraints.Parsing;

/// <summary>Something that nodes can call. Its first node is made when it is first called.</summary>
internal sealed class Rule(Func<Node> start)
{
    private static int lastId;
    private Node? first;

    public int Id { get; } = Interlocked.Increment(ref lastId);

    public Node Start => first ??= start();
}
