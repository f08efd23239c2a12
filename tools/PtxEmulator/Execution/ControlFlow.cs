namespace Llama4Kernels.PtxEmulator.Execution;

/// <summary>Immediate post-dominators of a function's instructions.</summary>
internal static class ControlFlow
{
    /// <summary>
    /// For every instruction the nearest one that all paths from it to the end pass, or -1 if there is none
    /// (Cooper, Harvey, Kennedy: A Simple, Fast Dominance Algorithm, on the reversed graph).
    /// </summary>
    public static int[] PostDominators(IReadOnlyList<int[]> successors)
    {
        int count = successors.Count;
        int end = count;
        var predecessors = new List<int>[count + 1];
        for (int i = 0; i <= count; i++)
        {
            predecessors[i] = [];
        }
        for (int i = 0; i < count; i++)
        {
            foreach (int next in successors[i].Length == 0 ? [end] : successors[i])
            {
                predecessors[next].Add(i);
            }
        }
        int[] order = ReverseOrder(predecessors, end, out int[] position);
        var dominator = new int[count + 1];
        Array.Fill(dominator, -1);
        dominator[end] = end;
        for (bool changed = true; changed;)
        {
            changed = false;
            foreach (int node in order)
            {
                int best = -1;
                foreach (int next in successors[node].Length == 0 ? [end] : successors[node])
                {
                    if (dominator[next] >= 0)
                    {
                        best = best < 0 ? next : Intersect(best, next, dominator, position);
                    }
                }
                if (best >= 0 && dominator[node] != best)
                {
                    dominator[node] = best;
                    changed = true;
                }
            }
        }
        return [.. dominator.Take(count).Select(node => node == end ? -1 : node)];
    }

    private static int Intersect(int a, int b, int[] dominator, int[] position)
    {
        while (a != b)
        {
            while (position[a] > position[b])
            {
                a = dominator[a];
            }
            while (position[b] > position[a])
            {
                b = dominator[b];
            }
        }
        return a;
    }

    /// <summary>Nodes that reach the end, in reverse postorder of the reversed graph, without the end itself.</summary>
    private static int[] ReverseOrder(List<int>[] predecessors, int end, out int[] position)
    {
        var postorder = new List<int>();
        var seen = new bool[predecessors.Length];
        var stack = new Stack<(int Node, int Next)>();
        stack.Push((end, 0));
        seen[end] = true;
        while (stack.Count > 0)
        {
            (int node, int next) = stack.Pop();
            if (next == predecessors[node].Count)
            {
                postorder.Add(node);
                continue;
            }
            stack.Push((node, next + 1));
            int previous = predecessors[node][next];
            if (!seen[previous])
            {
                seen[previous] = true;
                stack.Push((previous, 0));
            }
        }
        postorder.Reverse();
        position = new int[predecessors.Length];
        Array.Fill(position, int.MaxValue);
        for (int i = 0; i < postorder.Count; i++)
        {
            position[postorder[i]] = i;
        }
        return [.. postorder.Where(node => node != end)];
    }
}
