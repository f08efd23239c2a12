namespace Llama4Kernels.Engine.KvCache;

/// <summary>What is cached of a prompt.</summary>
/// <param name="Nodes">Nodes whose blocks are shared whole, from the first position on.</param>
/// <param name="Tail">The node after them of which a part is shared, to be copied; null if there is none.</param>
/// <param name="TailPositions">How many of its positions.</param>
internal readonly record struct PrefixMatch(IReadOnlyList<PrefixNode> Nodes, PrefixNode? Tail, int TailPositions);
