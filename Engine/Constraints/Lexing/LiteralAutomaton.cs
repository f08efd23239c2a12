namespace Llama4Kernels.Engine.Constraints.Lexing;

/// <summary>A finite set of byte strings, each with a tag.</summary>
internal sealed class LiteralAutomaton : Automaton
{
    private readonly List<SortedList<byte, int>> children = [];

    public LiteralAutomaton(params IEnumerable<(byte[] Bytes, int Tag)> literals)
    {
        Dictionary<int, int> tags = [];
        children.Add([]);
        foreach ((byte[] bytes, int tag) in literals)
        {
            int node = 0;
            foreach (byte value in bytes)
            {
                if (!children[node].TryGetValue(value, out int next))
                {
                    next = children.Count;
                    children[node].Add(value, next);
                    children.Add([]);
                }
                node = next;
            }
            tags[node] = tag;
        }
        for (int node = 0; node < children.Count; node++)
        {
            Add(tags.GetValueOrDefault(node, -1));
        }
    }

    public static LiteralAutomaton Of(string text) => new((System.Text.Encoding.UTF8.GetBytes(text), 0));

    public override bool Continues(int state) => children[state].Count > 0;

    protected override int Step(int state, byte value) => children[state].GetValueOrDefault(value, Dead);
}
