using System.Text.Json;
using Llama4Kernels.Engine.Constraints.Grammars;
using Llama4Kernels.Engine.Constraints.JsonSchema;
using Llama4Kernels.Engine.Constraints.Lexing;
using Llama4Kernels.Engine.Constraints.Parsing;
using Llama4Kernels.Engine.Tokenization;

namespace Llama4Kernels.Engine.Constraints;

/// <summary>
/// Compiles schemas, regular expressions and grammars into constraints over one vocabulary. What compiled constraints have in common
/// is shared, so one compiler a vocabulary is enough. Thread-safe.
/// </summary>
public sealed class ConstraintCompiler
{
    private readonly VocabularyTrie _vocabulary;
    private readonly AutomatonLibrary _library = new();
    private readonly ConstraintCache _cache;

    /// <summary>Prepares a vocabulary.</summary>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="limits">What a constraint may cost; null for the defaults.</param>
    public ConstraintCompiler(Llama4Tokenizer tokenizer, ConstraintLimits? limits = null)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        _vocabulary = new VocabularyTrie(tokenizer);
        Limits = limits ?? ConstraintLimits.Default;
        _cache = new ConstraintCache(Limits.MaxKeptConstraints, Limits.MaxKeptBytes);
    }

    /// <summary>What a constraint may cost.</summary>
    public ConstraintLimits Limits { get; }

    internal AutomatonLibrary Library => _library;

    /// <summary>What has been compiled.</summary>
    internal ConstraintCache Cache => _cache;

    /// <summary>Documents that a JSON Schema accepts.</summary>
    /// <param name="schema">The schema, of any draft from 4 to 2020-12.</param>
    /// <param name="whiteSpace">Where white space may stand in documents.</param>
    /// <exception cref="Llama4Exception"><see cref="Llama4Error.Constraint"/>:
    /// The schema is malformed, has a keyword that cannot be kept to, accepts nothing, or is beyond a limit.
    /// </exception>
    public Constraint JsonSchema(JsonElement schema, JsonWhiteSpace whiteSpace = JsonWhiteSpace.Compact)
    {
        if (!Enum.IsDefined(whiteSpace))
        {
            throw new ArgumentException($"{whiteSpace} is neither {nameof(JsonWhiteSpace.Compact)} nor {nameof(JsonWhiteSpace.Free)}.", nameof(whiteSpace));
        }
        bool freeSpace = whiteSpace == JsonWhiteSpace.Free;
        string text = schema.GetRawText();
        CheckLength("schema", "#", text.Length);
        return _cache.GetOrAdd(new ConstraintCache.Key("schema", text, freeSpace), () =>
        {
            SchemaProgram program = new(schema.Clone(), _library, new ConstraintBudget(Limits));
            return FromRule(new JsonGrammar(program, JsonDialect.Json, freeSpace).Root());
        });
    }

    /// <summary>Documents that a JSON Schema accepts.</summary>
    /// <param name="schema">The schema's text.</param>
    /// <param name="whiteSpace">Where white space may stand in documents.</param>
    /// <exception cref="Llama4Exception"><see cref="Llama4Error.Constraint"/>: As for the other overload, or the text is not JSON.</exception>
    public Constraint JsonSchema(string schema, JsonWhiteSpace whiteSpace = JsonWhiteSpace.Compact)
    {
        ArgumentNullException.ThrowIfNull(schema);
        CheckLength("schema", "#", schema.Length);
        try
        {
            using JsonDocument document = JsonDocument.Parse(schema, new JsonDocumentOptions { MaxDepth = Limits.MaxDepth });
            return JsonSchema(document.RootElement, whiteSpace);
        }
        catch (JsonException error)
        {
            throw new ConstraintException("schema", "#", $"is not JSON: {error.Message}");
        }
    }

    /// <summary>Any JSON object.</summary>
    /// <param name="whiteSpace">Where white space may stand in it.</param>
    public Constraint JsonObject(JsonWhiteSpace whiteSpace = JsonWhiteSpace.Compact) => JsonSchema("""{"type":"object"}""", whiteSpace);

    /// <summary>Texts that a regular expression of ECMA-262 matches from beginning to end.</summary>
    /// <param name="pattern">The expression. Backreferences, lookbehind and flags are not supported.</param>
    /// <exception cref="Llama4Exception"><see cref="Llama4Error.Constraint"/>: The expression is malformed, has such a construct, matches nothing, or is beyond a limit.</exception>
    public Constraint Regex(string pattern)
    {
        ArgumentNullException.ThrowIfNull(pattern);
        return _cache.GetOrAdd(new ConstraintCache.Key("regex", pattern), () => CompileRegex(pattern));
    }

    private Constraint CompileRegex(string pattern)
    {
        ConstraintBudget budget = new(Limits) { Subject = ("regex", string.Empty) };
        Dfa dfa = _library.FullMatch(pattern, budget);
        if (dfa.IsEmpty)
        {
            throw new ConstraintException("regex", string.Empty, "matches no text.");
        }
        TextAutomaton automaton = _library.Text("regex " + pattern, dfa, TextForm.Raw, 0, int.MaxValue, budget);
        return FromRule(new Rule(() => new LazyNode(() => new Node.Edges(
            [new Node.Terminal(automaton, LazyNode.End)], [], dfa.Tags[0] >= 0))));
    }

    /// <summary>Texts of a grammar.</summary>
    /// <param name="grammar">The grammar in the notation of Lark, with a rule <c>start</c>; docs/constraints.md says which part of it.</param>
    /// <exception cref="Llama4Exception"><see cref="Llama4Error.Constraint"/>: The grammar is malformed, has a construct that is not supported, describes no text, or is beyond a limit.</exception>
    public Constraint Grammar(string grammar)
    {
        ArgumentNullException.ThrowIfNull(grammar);
        return Grammar("grammar", grammar, () => GrammarReader.Read(grammar, Limits));
    }

    /// <summary>Texts of a grammar that follows from a source, or what has been compiled from it before.</summary>
    /// <param name="kind">What the source is; equal sources of a kind have equal grammars.</param>
    /// <param name="source">The source.</param>
    /// <param name="read">Makes the grammar.</param>
    /// <exception cref="Llama4Exception"><see cref="Llama4Error.Constraint"/>: As for <see cref="FromGrammar"/>, or the source is too long.</exception>
    internal Constraint Grammar(string kind, string source, Func<Grammar> read)
    {
        CheckLength(kind, string.Empty, source.Length);
        return _cache.GetOrAdd(new ConstraintCache.Key(kind, source), () => FromGrammar(read()));
    }

    /// <summary>Texts of a grammar.</summary>
    /// <exception cref="Llama4Exception"><see cref="Llama4Error.Constraint"/>: A rule is missing, no text belongs to the start, or a limit is exceeded.</exception>
    internal Constraint FromGrammar(Grammar grammar) =>
        FromRule(GrammarCompiler.Compile(grammar, _library, new ConstraintBudget(Limits) { Subject = ("grammar", string.Empty) }));

    private void CheckLength(string kind, string place, int length)
    {
        if (length > Limits.MaxSourceLength)
        {
            throw new ConstraintException(kind, place, $"is longer than {Limits.MaxSourceLength} characters.");
        }
    }

    internal Constraint FromRule(Rule root) => new(new Machine(root, _vocabulary, Limits));
}
