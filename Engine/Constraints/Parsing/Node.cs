using Llama4Kernels.Engine.Constraints.Lexing;

namespace Llama4Kernels.Engine.Constraints.Parsing;

/// <summary>
/// A place in a rule: what may come next there. Nodes of one <see cref="Machine"/> are made and asked under its lock, and equal places
/// are one object.
/// </summary>
internal abstract class Node
{
    private static int s_lastId;
    private Edges? _edges;

    public int Id { get; } = Interlocked.Increment(ref s_lastId);

    public Edges Next => _edges ??= Build();

    protected abstract Edges Build();

    /// <summary>What may come next: a terminal, a rule to call, or, if final, the end of the rule.</summary>
    public sealed record Edges(Terminal[] Terminals, Call[] Calls, bool Final)
    {
        /// <summary>Whether nothing but the end may come.</summary>
        public bool OnlyFinal => Final && Terminals.Length == 0 && Calls.Length == 0;
    }

    /// <summary>A rule, and where to go on after it.</summary>
    public readonly record struct Call(Rule Rule, Node Return);

    /// <summary>A piece of text, and where to go on after it, by the automaton's tag.</summary>
    public sealed class Terminal
    {
        private static int s_lastTerminalId;

        // A node, or a function from tags to nodes.
        private readonly object _target;

        public Terminal(Automaton automaton, Node target, bool skipsSpace = false, ElementMark mark = ElementMark.None)
            : this(automaton, (object)target, skipsSpace, mark)
        {
        }

        /// <param name="automaton">The text.</param>
        /// <param name="target">Where to go on; equal tags must lead to one node.</param>
        /// <param name="skipsSpace">Whether white space may stand before it.</param>
        public Terminal(Automaton automaton, Func<int, Node> target, bool skipsSpace = false)
            : this(automaton, (object)target, skipsSpace, ElementMark.None)
        {
        }

        private Terminal(Automaton automaton, object target, bool skipsSpace, ElementMark mark) =>
            (Automaton, _target, SkipsSpace, Mark) = (automaton, target, skipsSpace, mark);

        public int Id { get; } = Interlocked.Increment(ref s_lastTerminalId);

        public Automaton Automaton { get; }

        /// <summary>Whether white space may stand before it.</summary>
        public bool SkipsSpace { get; }

        /// <summary>What it is to the elements of the object or array that it stands in; if anything, it is a single byte.</summary>
        public ElementMark Mark { get; }

        public Node Target(int tag) => _target as Node ?? ((Func<int, Node>)_target)(tag);
    }
}
