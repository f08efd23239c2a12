using System.Text.Json;
using Llama4Kernels.Engine.Constraints.Grammars;
using Llama4Kernels.Engine.Constraints.JsonSchema;
using Llama4Kernels.Engine.Constraints.Lexing;
using Llama4Kernels.Engine.Constraints.Parsing;
using Llama4Kernels.Engine.Tokenization;

namespace Llama4Kernels.Engine.Constraints;

/// <summary>
/// Compiles schemas, regular expressions and grammars into constraints over one vocabulary: the state of an answer that begins, to go
/// on with or to fork for each answer. What has been compiled is kept for the next request with the same source, and what constraints
/// have in common is shared, so one compiler a vocabulary is enough. Thread-safe.
/// </summary>
/// <remarks>
/// A schema, expression or grammar beyond a limit is refused with a <see cref="Llama4Exception"/> that names the limit. A limit out of
/// range throws <see cref="ArgumentException"/> where it is set.
/// </remarks>
public sealed class ConstraintCompiler
{
    private readonly VocabularyTrie _vocabulary;
    private readonly AutomatonLibrary _library = new();
    private readonly ConstraintCache _cache;

    /// <summary>Prepares a vocabulary.</summary>
    /// <param name="tokenizer">The model's tokenizer.</param>
    public ConstraintCompiler(Llama4Tokenizer tokenizer)
        : this(tokenizer, ConstraintLimits.Default)
    {
    }

    internal ConstraintCompiler(Llama4Tokenizer tokenizer, ConstraintLimits limits)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        _vocabulary = new VocabularyTrie(tokenizer);
        Limits = limits;
        _cache = new ConstraintCache(() => (Limits.MaxKeptConstraints, Limits.MaxKeptBytes));
    }

    /// <summary>Characters of a schema, expression or grammar.</summary>
    public int MaxSourceLength { get => Limits.MaxSourceLength; init => Limits = Limits with { MaxSourceLength = value }; }

    /// <summary>Levels of nesting in a schema or expression.</summary>
    public int MaxDepth { get => Limits.MaxDepth; init => Limits = Limits with { MaxDepth = value }; }

    /// <summary>The largest number that a repeat count, length or item count may be, but for upper bounds, which may be any.</summary>
    public int MaxRepeat { get => Limits.MaxRepeat; init => Limits = Limits with { MaxRepeat = value }; }

    /// <summary>States of all automata of a constraint together while it compiles.</summary>
    public int MaxStates { get => Limits.MaxStates; init => Limits = Limits with { MaxStates = value }; }

    /// <summary>Alternatives that a schema falls into, all places together.</summary>
    public int MaxAlternatives { get => Limits.MaxAlternatives; init => Limits = Limits with { MaxAlternatives = value }; }

    /// <summary>Expressions that regular expressions fall into while their automata are made, all together.</summary>
    public int MaxExpressions { get => Limits.MaxExpressions; init => Limits = Limits with { MaxExpressions = value }; }

    /// <summary>Time to compile. The numbers above stop what multiplies sooner, on a slow machine as on a fast one.</summary>
    public TimeSpan MaxCompileTime { get => Limits.MaxCompileTime; init => Limits = Limits with { MaxCompileTime = value }; }

    /// <summary>Bytes that compiling may allocate, those included that it gives back on the way.</summary>
    public long MaxCompileBytes { get => Limits.MaxCompileBytes; init => Limits = Limits with { MaxCompileBytes = value }; }

    /// <summary>States that a constraint remembers between tokens; beyond them it forgets and computes again.</summary>
    public int MaxCachedStates { get => Limits.MaxCachedStates; init => Limits = Limits with { MaxCachedStates = value }; }

    /// <summary>Bytes that a constraint remembers between tokens; beyond them it forgets and computes again.</summary>
    public long MaxCachedBytes { get => Limits.MaxCachedBytes; init => Limits = Limits with { MaxCachedBytes = value }; }

    /// <summary>Compiled constraints that a compiler keeps for the next request with the same source.</summary>
    public int MaxKeptConstraints { get => Limits.MaxKeptConstraints; init => Limits = Limits with { MaxKeptConstraints = value }; }

    /// <summary>Bytes that the constraints which a compiler keeps may remember together.</summary>
    public long MaxKeptBytes { get => Limits.MaxKeptBytes; init => Limits = Limits with { MaxKeptBytes = value }; }

    /// <summary>All limits: what a constraint may cost.</summary>
    internal ConstraintLimits Limits { get; private init; }

    internal AutomatonLibrary Library => _library;

    /// <summary>What has been compiled.</summary>
    internal ConstraintCache Cache => _cache;

    /// <summary>Documents that a JSON Schema accepts.</summary>
    /// <param name="schema">The schema, of any draft from 4 to 2020-12.</param>
    /// <param name="freeSpace">Whether white space may stand wherever JSON allows it inside a document; else nowhere but in strings.</param>
    /// <exception cref="Llama4Exception"><see cref="Llama4Error.Constraint"/>:
    /// The schema is malformed, has a keyword that cannot be kept to, accepts nothing, or is beyond a limit.
    /// </exception>
    public ITokenConstraint JsonSchema(JsonElement schema, bool freeSpace = false)
    {
        string text = schema.GetRawText();
        CheckLength("schema", "#", text.Length);
        return Begin(new ConstraintCache.Key("schema", text, freeSpace), () =>
        {
            SchemaProgram program = new(schema.Clone(), _library, new ConstraintBudget(Limits));
            return Compile(new JsonGrammar(program, JsonDialect.Json, freeSpace).Root());
        });
    }

    /// <summary>Documents that a JSON Schema accepts.</summary>
    /// <param name="schema">The schema's text.</param>
    /// <param name="freeSpace">Whether white space may stand wherever JSON allows it inside a document; else nowhere but in strings.</param>
    /// <exception cref="Llama4Exception"><see cref="Llama4Error.Constraint"/>: As for the other overload, or the text is not JSON.</exception>
    public ITokenConstraint JsonSchema(string schema, bool freeSpace = false)
    {
        ArgumentNullException.ThrowIfNull(schema);
        CheckLength("schema", "#", schema.Length);
        try
        {
            using JsonDocument document = JsonDocument.Parse(schema, new JsonDocumentOptions { MaxDepth = Limits.MaxDepth });
            return JsonSchema(document.RootElement, freeSpace);
        }
        catch (JsonException error)
        {
            throw new ConstraintException("schema", "#", $"is not JSON: {error.Message}");
        }
    }

    /// <summary>Any JSON object.</summary>
    /// <param name="freeSpace">Whether white space may stand wherever JSON allows it; else nowhere but in strings.</param>
    public ITokenConstraint JsonObject(bool freeSpace = false) => JsonSchema("""{"type":"object"}""", freeSpace);

    /// <summary>Texts that a regular expression of ECMA-262 matches from beginning to end.</summary>
    /// <param name="pattern">The expression. Backreferences, lookbehind and flags are not supported.</param>
    /// <exception cref="Llama4Exception"><see cref="Llama4Error.Constraint"/>: The expression is malformed, has such a construct, matches nothing, or is beyond a limit.</exception>
    public ITokenConstraint Regex(string pattern)
    {
        ArgumentNullException.ThrowIfNull(pattern);
        return Begin(new ConstraintCache.Key("regex", pattern), () => CompileRegex(pattern));
    }

    private Machine CompileRegex(string pattern)
    {
        ConstraintBudget budget = new(Limits) { Subject = ("regex", string.Empty) };
        Dfa dfa = _library.FullMatch(pattern, budget);
        if (dfa.IsEmpty)
        {
            throw new ConstraintException("regex", string.Empty, "matches no text.");
        }
        TextAutomaton automaton = _library.Text("regex " + pattern, dfa, TextForm.Raw, 0, int.MaxValue, budget);
        return Compile(new Rule(() => new LazyNode(() => new Node.Edges(
            [new Node.Terminal(automaton, LazyNode.End)], [], dfa.Tags[0] >= 0))));
    }

    /// <summary>Texts of a grammar.</summary>
    /// <param name="grammar">The grammar in the notation of Lark, with a rule <c>start</c>; docs/constraints.md says which part of it.</param>
    /// <exception cref="Llama4Exception"><see cref="Llama4Error.Constraint"/>: The grammar is malformed, has a construct that is not supported, describes no text, or is beyond a limit.</exception>
    public ITokenConstraint Grammar(string grammar)
    {
        ArgumentNullException.ThrowIfNull(grammar);
        return Grammar("grammar", grammar, () => GrammarReader.Read(grammar, Limits));
    }

    /// <summary>Texts of a grammar that follows from a source, or what has been compiled from it before.</summary>
    /// <param name="kind">What the source is; equal sources of a kind have equal grammars.</param>
    /// <param name="source">The source.</param>
    /// <param name="read">Makes the grammar.</param>
    /// <exception cref="Llama4Exception"><see cref="Llama4Error.Constraint"/>: As for <see cref="FromGrammar"/>, or the source is too long.</exception>
    internal ITokenConstraint Grammar(string kind, string source, Func<Grammar> read)
    {
        CheckLength(kind, string.Empty, source.Length);
        return Begin(new ConstraintCache.Key(kind, source), () => Compile(read()));
    }

    /// <summary>Texts of a grammar.</summary>
    /// <exception cref="Llama4Exception"><see cref="Llama4Error.Constraint"/>: A rule is missing, no text belongs to the start, or a limit is exceeded.</exception>
    internal ITokenConstraint FromGrammar(Grammar grammar) => Begin(Compile(grammar));

    internal ITokenConstraint FromRule(Rule root) => Begin(Compile(root));

    private static Matcher Begin(Machine machine) => new(machine, machine.Start);

    private Matcher Begin(ConstraintCache.Key key, Func<Machine> compile) => Begin(_cache.GetOrAdd(key, compile));

    private Machine Compile(Grammar grammar) => Compile(GrammarCompiler.Compile(grammar, _library, new ConstraintBudget(Limits) { Subject = ("grammar", string.Empty) }));

    private Machine Compile(Rule root) => new(root, _vocabulary, Limits);

    private void CheckLength(string kind, string place, int length)
    {
        if (length > Limits.MaxSourceLength)
        {
            throw new ConstraintException(kind, place, $"is longer than {Limits.MaxSourceLength} characters.");
        }
    }
}
