using Llama4Kernels.Engine.Constraints.Lexing;

namespace Llama4Kernels.Engine.Constraints.Parsing;

/// <summary>
/// A place in a rule: what may come next there. Nodes of one <see cref="Machine"/> are made and asked under its lock, and equal places
/// are one object.
/// </summary>
internal abstract class Node
{
    private static int lastId;
    private Edges? edges;

    public int Id { get; } = Interlocked.Increment(ref lastId);

    public Edges Next => edges ??= Build();

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
    public sealed class Terminal(Automaton automaton, Func<int, Node> target, bool skipsSpace = false, ElementMark mark = ElementMark.None)
    {
        private static int lastTerminalId;

        public int Id { get; } = Interlocked.Increment(ref lastTerminalId);

        public Automaton Automaton => automaton;

        /// <summary>Whether white space may stand before it.</summary>
        public bool SkipsSpace => skipsSpace;

        /// <summary>What it is to the elements of the object or array that it stands in; if anything, it is a single byte.</summary>
        public ElementMark Mark => mark;

        public Node Target(int tag) => target(tag);
    }
}
