using System.Diagnostics;
using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Constraints;
using Llama4Kernels.Engine.Constraints.JsonSchema;
using Llama4Kernels.Engine.Constraints.Lexing;

namespace Llama4Kernels.Tests.Engine.Constraints;

/// <summary>
/// Schemas, expressions and grammars that nest or multiply without end: each is compiled or refused with a typed error, on a thread with
/// a small stack, in time. A stack that overflows would end the test run.
/// </summary>
public class HostileConstraintTests
{
    private const int StackBytes = 256 << 10;

    // The limit for compiling, and as much again for what a busy machine adds; only a runaway takes longer.
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    public static TheoryData<string> Patterns { get; } =
    [
        new string('(', 100_000) + "a" + new string(')', 100_000),
        string.Concat(Enumerable.Repeat("a?", 50_000)),
        string.Concat(Enumerable.Repeat("(?:a?|b)", 20_000)),
        "(?:" + new string('a', 50_000) + ")+",
        new string('a', 100_000) + "$",
        "^" + new string('a', 20_000) + "(?:$|b^)",
        string.Concat(Enumerable.Repeat("(?=a?)b?", 5_000)),
        string.Concat(Enumerable.Repeat("(?:(?!b)a?)", 5_000)),
        "((((a{1,90}){1,90}){1,90}){1,90}){1,90}",
        "(a|aa)*b.{40}",
        "(.*a){30}.{30}",
        "[a-z]{100000}",
        "(?:[a-z]{1,300}){1,300}(?=x)",
    ];

    [Theory]
    [MemberData(nameof(Patterns))]
    public void ExpressionsAreCompiledOrRefused(string pattern) => Run(compiler => compiler.Regex(pattern));

    [Theory]
    [MemberData(nameof(Patterns))]
    public void PatternsOfSchemasAreCompiledOrRefused(string pattern) => Run(compiler => compiler.JsonSchema(
        $$"""{"type":"string","pattern":{{System.Text.Json.JsonSerializer.Serialize(pattern)}},"minLength":100000}"""));

    /// <summary>What takes much memory is refused before it has taken it, also where time and counts would let it go on.</summary>
    [Theory]
    [MemberData(nameof(Patterns))]
    public void MemoryToCompileIsBounded(string pattern)
    {
        const long Most = 16L << 20;
        ConstraintLimits limits = new() { MaxCompileBytes = Most, MaxStates = int.MaxValue, MaxExpressions = int.MaxValue, MaxCompileTime = TimeSpan.FromSeconds(20) };
        ConstraintCompiler compiler = new(ConstraintChecks.Tokenizer, limits);
        long before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            compiler.Regex(pattern);
        }
        catch (ConstraintException refusal)
        {
            Assert.NotEqual(string.Empty, refusal.Reason);
        }
        long taken = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.True(taken < 2 * Most, $"{taken} bytes.");
    }

    /// <summary>How many names an automaton has is found in one pass over it, however many states it has.</summary>
    [Fact]
    public void LongNamesAreCountedInOnePass()
    {
        ConstraintCompiler compiler = new(ConstraintChecks.Tokenizer, new ConstraintLimits { MaxCompileBytes = 64L << 20 });
        ITokenConstraint constraint = compiler.JsonSchema("""{"type":"object","propertyNames":{"minLength":10000},"additionalProperties":{"const":1}}""");
        Assert.True(ConstraintChecks.Accepts(constraint, $$"""{"{{new string('a', 10_000)}}":1}"""));
        Assert.False(ConstraintChecks.Accepts(constraint, $$"""{"{{new string('a', 9_999)}}":1}"""));
        Assert.Equal(ValueCount.Unlimited, Count("a{50000}b*"));
        Assert.Equal(1, Count("a{50000}"));
        Assert.Equal(ValueCount.Unlimited, Count("[a-j]{1,5}"));
        Assert.Equal(11_110, Count("[a-j]{1,4}"));
        Assert.Equal(6, Count("(a|b|)c?"));
        Assert.Equal(0, Count("a\\bb"));

        static int Count(string pattern) => ValueCount.Words(new AutomatonLibrary().FullMatch(pattern, ConstraintBudget.Unbounded()));
    }

    [Fact]
    public void TheBoundOfMemoryIsNamed()
    {
        ConstraintCompiler compiler = new(ConstraintChecks.Tokenizer, new ConstraintLimits { MaxCompileBytes = 1 << 20 });
        ConstraintException error = Assert.Throws<ConstraintException>(() => compiler.Regex("(.*a){30}.{30}"));
        Assert.Contains("1048576 bytes", error.Reason, StringComparison.Ordinal);
        error = Assert.Throws<ConstraintException>(() => compiler.JsonSchema("""{"properties":{"a":{"pattern":"(.*a){30}.{30}"}}}"""));
        Assert.Equal(("pattern", "#/properties/a"), (error.Keyword, error.Place));
    }

    [Fact]
    public void NestedSchemasAreCompiledOrRefused()
    {
        const int depth = 20_000;
        Run(compiler => compiler.JsonSchema(
            string.Concat(Enumerable.Repeat("""{"items":""", depth)) + "{}" + new string('}', depth)));
        string references = string.Join(',', Enumerable.Range(0, depth).Select(i =>
            $$"""{"oneOf":[{"$ref":"#/$defs/{{i + 1}}"},{"type":"object","required":["k{{i}}"]}]}""").Append("{}").Select((schema, i) => $"\"{i}\":{schema}"));
        Run(compiler => compiler.JsonSchema($$$"""{"$ref":"#/$defs/0","$defs":{ {{{references}}} } }"""));
        string all = string.Join(',', Enumerable.Range(0, 24).Select(i => $$"""{"anyOf":[{"required":["a{{i}}"]},{"required":["b{{i}}"]}]}"""));
        Run(compiler => compiler.JsonSchema($$"""{"type":"object","allOf":[{{all}}]}"""));
    }

    [Fact]
    public void NestedGrammarsAreCompiledOrRefused()
    {
        Run(compiler => compiler.Grammar("start: " + new string('(', 20_000) + "\"a\"" + new string(')', 20_000)));
        Run(compiler => compiler.Grammar("start: " + string.Concat(Enumerable.Repeat("\"a\"? ", 20_000))));
        Run(compiler => compiler.Grammar(
            "start: r0\n" + string.Join('\n', Enumerable.Range(0, 10_000).Select(i => $"r{i}: \"a\" r{i + 1} | r{i + 1}")) + "\nr10000: \"b\""));
        Run(compiler => compiler.Grammar("start: start start start | \"a\" |"));
    }

    private static void Run(Func<ConstraintCompiler, ITokenConstraint> compile)
    {
        Exception? failure = null;
        long began = Stopwatch.GetTimestamp();
        Thread thread = new(
            () =>
            {
                try
                {
                    ConstraintCompiler compiler = new(
                        ConstraintChecks.Tokenizer, ConstraintLimits.Default with { MaxCompileTime = TimeSpan.FromMilliseconds(300) });
                    ITokenConstraint constraint = compile(compiler);
                    constraint.Fork().Allow(new TokenMask(ConstraintChecks.Tokenizer.VocabularySize));
                }
                catch (ConstraintException refusal)
                {
                    failure = refusal.Reason.Length > 0 ? null : refusal;
                }
                catch (Exception other)
                {
                    failure = other;
                }
            },
            StackBytes);
        thread.Start();
        Assert.True(thread.Join(s_patience), "It does not come to an end.");
        Assert.True(failure is null, failure?.ToString());
        Assert.True(Stopwatch.GetElapsedTime(began) < s_patience);
    }
}
