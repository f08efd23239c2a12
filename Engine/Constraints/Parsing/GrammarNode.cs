namespace Llama4Kernels.Engine.Constraints.Parsing;

/// <summary>A place in a rule of a grammar, from which some ways on cost nothing.</summary>
internal sealed class GrammarNode(bool isFinal = false) : Node
{
    public List<Terminal> Terminals { get; } = [];

    public List<Call> Calls { get; } = [];

    /// <summary>Places that are reached without any text.</summary>
    public List<GrammarNode> Free { get; } = [];

    /// <summary>Adds what is made only when the node is reached.</summary>
    public Action<GrammarNode>? Prepare { get; set; }

    protected override Edges Build()
    {
        HashSet<GrammarNode> reached = [this];
        Stack<GrammarNode> pending = new([this]);
        bool final = false;
        while (pending.TryPop(out GrammarNode? node))
        {
            final |= node.IsFinal;
            (Action<GrammarNode>? prepare, node.Prepare) = (node.Prepare, null);
            prepare?.Invoke(node);
            foreach (GrammarNode free in node.Free.Where(reached.Add))
            {
                pending.Push(free);
            }
        }
        return new Edges([.. reached.SelectMany(node => node.Terminals)], [.. reached.SelectMany(node => node.Calls)], final);
    }

    private bool IsFinal => isFinal;
}
