namespace Llama4Kernels.Engine.Constraints.Parsing;

/// <summary>
/// The calls that are open: the places to return to, each with the calls that are open around it. Stacks that agree are one object.
/// </summary>
internal sealed class StackNode(int id, StackNode.Link[] links)
{
    public int Id => id;

    /// <summary>Empty at the bottom, where a return ends the whole text.</summary>
    public ReadOnlySpan<Link> Links => links;

    public readonly record struct Link(Node Return, StackNode Parent)
    {
        /// <summary>Equal links beside each other.</summary>
        public static int Compare(Link a, Link b) =>
            a.Return.Id != b.Return.Id ? a.Return.Id.CompareTo(b.Return.Id) : a.Parent.Id.CompareTo(b.Parent.Id);
    }

    /// <summary>Stacks by their links, which are in their order, none twice.</summary>
    public sealed class Comparer : IEqualityComparer<StackNode>, IAlternateEqualityComparer<ReadOnlySpan<Link>, StackNode>
    {
        private int _lastId;

        public bool Equals(StackNode? x, StackNode? y) => ReferenceEquals(x, y);

        public int GetHashCode(StackNode obj) => GetHashCode(obj.Links);

        public bool Equals(ReadOnlySpan<Link> alternate, StackNode other) => alternate.SequenceEqual(other.Links);

        public int GetHashCode(ReadOnlySpan<Link> alternate)
        {
            ulong hash = 0;
            foreach (Link link in alternate)
            {
                hash = (hash ^ (uint)link.Return.Id ^ ((ulong)link.Parent.Id << 32)) * 0x9E3779B97F4A7C15;
                hash ^= hash >> 29;
            }
            return (int)hash;
        }

        /// <summary>A new stack; no number is given twice.</summary>
        public StackNode Create(ReadOnlySpan<Link> alternate) => new(++_lastId, alternate.ToArray());
    }
}
