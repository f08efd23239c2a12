using System.Globalization;
using System.Reflection;
using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Constraints;
using static Llama4Kernels.Tests.Engine.Constraints.ConstraintChecks;

namespace Llama4Kernels.Tests.Engine.Constraints;

/// <summary>Constraints that threads share, and the cache that hands them out.</summary>
public class SharedConstraintTests
{
    private const int Threads = 8;

    /// <summary>Threads that come to the same places at the same time see what one thread sees alone.</summary>
    [Fact]
    public async Task ThreadsSeeTheSameMasks()
    {
        string[] schemas = [.. MaskTests.Schemas.Select(row => row.Data)];
        ConstraintCompiler alone = new(ConstraintChecks.Tokenizer);
        ConstraintCompiler shared = new(ConstraintChecks.Tokenizer, ConstraintLimits.Default with { MaxCachedStates = 40 });
        var ways = schemas.Select((schema, i) => (Schema: schema, Tokens: MaskTests.RandomTokens(alone.JsonSchema(schema), 30, i))).ToArray();
        ulong[][][] expected = [.. ways.Select(way => Masks(alone.JsonSchema(way.Schema), way.Tokens))];
        using Barrier start = new(Threads);
        await Task.WhenAll(Enumerable.Range(0, Threads).Select(thread => Task.Factory.StartNew(
            () =>
            {
                start.SignalAndWait(TestContext.Current.CancellationToken);
                for (int i = 0; i < ways.Length; i++)
                {
                    // Each in an order of its own.
                    int at = (i + (thread / 2)) % ways.Length;
                    ulong[][] masks = Masks(shared.JsonSchema(ways[at].Schema), ways[at].Tokens);
                    for (int place = 0; place < masks.Length; place++)
                    {
                        Assert.True(masks[place].AsSpan().SequenceEqual(expected[at][place]), $"{ways[at].Schema}, place {place}");
                    }
                }
            },
            TestContext.Current.CancellationToken,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default)));
    }

    [Fact]
    public void OneSourceIsCompiledOnce()
    {
        ConstraintCompiler compiler = new(ConstraintChecks.Tokenizer);
        ITokenConstraint schema = compiler.JsonSchema("""{"type":"string"}""");
        Assert.Same(MachineOf(schema), MachineOf(compiler.JsonSchema("""{"type":"string"}""")));
        Assert.NotSame(MachineOf(schema), MachineOf(compiler.JsonSchema("""{"type":"string"}""", true)));
        Assert.Same(MachineOf(compiler.Regex("a+")), MachineOf(compiler.Regex("a+")));
        Assert.Same(MachineOf(compiler.Grammar("start: \"a\"")), MachineOf(compiler.Grammar("start: \"a\"")));
        Assert.NotSame(MachineOf(compiler.Regex("start: \"a\"")), MachineOf(compiler.Grammar("start: \"a\"")));
    }

    [Fact]
    public void TheLeastRecentlyUsedGoesFirst()
    {
        ConstraintCompiler compiler = new(ConstraintChecks.Tokenizer) { MaxKeptConstraints = 2 };
        ITokenConstraint first = compiler.Regex("a");
        ITokenConstraint second = compiler.Regex("b");
        Assert.Same(MachineOf(first), MachineOf(compiler.Regex("a")));
        compiler.Regex("c");
        Assert.Equal(2, compiler.Cache.Count);
        Assert.Same(MachineOf(first), MachineOf(compiler.Regex("a")));
        Assert.NotSame(MachineOf(second), MachineOf(compiler.Regex("b")));
        // What went still works for those who hold it.
        Assert.True(ConstraintChecks.Accepts(second, "b"));
    }

    [Fact]
    public void BytesBoundWhatIsKept()
    {
        ConstraintCompiler compiler = new(ConstraintChecks.Tokenizer) { MaxKeptBytes = 20_000 };
        for (int i = 0; i < 20; i++)
        {
            ITokenConstraint constraint = compiler.JsonSchema($$"""{"type":"string","maxLength":{{i + 20}}}""");
            Assert.True(ConstraintChecks.Accepts(constraint, "\"some text\""));
            Assert.Same(MachineOf(constraint), MachineOf(compiler.JsonSchema($$"""{"type":"string","maxLength":{{i + 20}}}""")));
        }
        Assert.InRange(compiler.Cache.Count, 1, 10);
    }

    /// <summary>Each limit that constraints have is one that a host can set.</summary>
    [Fact]
    public void EveryLimitIsAPropertyOfTheCompiler()
    {
        PropertyInfo[] limits = [.. typeof(ConstraintLimits).GetProperties().Where(limit => limit.Name.StartsWith("Max", StringComparison.Ordinal))];
        Assert.NotEmpty(limits);
        Assert.All(limits, limit =>
        {
            object changed = limit.PropertyType == typeof(TimeSpan) ? TimeSpan.FromMinutes(7) : Convert.ChangeType(77, limit.PropertyType, CultureInfo.InvariantCulture);
            ConstraintCompiler compiler = new(ConstraintChecks.Tokenizer);
            PropertyInfo property = Assert.IsType<PropertyInfo>(typeof(ConstraintCompiler).GetProperty(limit.Name), exactMatch: false);
            property.SetValue(compiler, changed);
            Assert.Equal(changed, limit.GetValue(compiler.Limits));
            Assert.Equal(changed, property.GetValue(compiler));
        });
    }

    [Fact]
    public void WhatIsRefusedIsNotKept()
    {
        ConstraintCompiler compiler = new(ConstraintChecks.Tokenizer);
        Assert.Throws<ConstraintException>(() => compiler.Regex("("));
        Assert.Throws<ConstraintException>(() => compiler.Regex("("));
        Assert.Equal(0, compiler.Cache.Count);
    }

    [Fact]
    public async Task ThreadsThatCompileOneSourceGetOneConstraint()
    {
        ConstraintCompiler compiler = new(ConstraintChecks.Tokenizer, ConstraintLimits.Default with { MaxKeptConstraints = 4 });
        using Barrier start = new(Threads);
        ITokenConstraint[][] all = await Task.WhenAll(Enumerable.Range(0, Threads).Select(_ => Task.Factory.StartNew(
            () =>
            {
                start.SignalAndWait(TestContext.Current.CancellationToken);
                return Enumerable.Range(0, 4).Select(i => compiler.Regex($"[a-z]{{1,{i + 2}}}")).ToArray();
            },
            TestContext.Current.CancellationToken,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default)));
        for (int i = 0; i < 4; i++)
        {
            Assert.All(all, constraints => Assert.Same(MachineOf(all[0][i]), MachineOf(constraints[i])));
        }
    }

    private static ulong[][] Masks(ITokenConstraint constraint, int[] tokens)
    {
        ITokenConstraint state = constraint.Fork();
        TokenMask mask = new(ConstraintChecks.Tokenizer.VocabularySize);
        List<ulong[]> masks = [];
        foreach (int token in tokens)
        {
            state.Allow(mask);
            masks.Add(mask.Words.ToArray());
            state.Accept(token);
        }
        return [.. masks];
    }
}
