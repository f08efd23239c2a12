namespace Llama4Kernels.Engine.Constraints.Parsing;

/// <summary>Something that nodes can call. Its first node is made when it is first called.</summary>
internal sealed class Rule(Func<Node> start)
{
    private static int s_lastId;
    private Node? _first;

    public int Id { get; } = Interlocked.Increment(ref s_lastId);

    public Node Start => _first ??= start();
}
