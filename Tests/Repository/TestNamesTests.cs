using System.Reflection;

namespace Llama4Kernels.Tests.Repository;

/// <summary>Tests are named as all methods are, in PascalCase without underscores; their names are sentences that say the rule.</summary>
public sealed class TestNamesTests
{
    [Fact]
    public void TestsAreNamedInPascalCase()
    {
        MethodInfo[] tests = [.. typeof(TestNamesTests).Assembly.GetTypes().SelectMany(type => type.GetMethods(BindingFlags.Instance | BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly))
            .Where(method => method.GetCustomAttributes<FactAttribute>(inherit: true).Any())];
        Assert.True(tests.Length > 1000, $"{tests.Length} tests were found.");
        string[] wrong = [.. tests.Where(test => !IsPascalCase(test.Name)).Select(test => $"{test.DeclaringType!.Name}.{test.Name}")];
        Assert.True(wrong.Length == 0, $"Not in PascalCase: {string.Join(", ", wrong)}");
    }

    [Theory]
    [InlineData("AStepAllocatesNothing", true)]
    [InlineData("F32CorpusIsMet", true)]
    [InlineData("A_step_allocates_nothing", false)]
    [InlineData("aStepAllocatesNothing", false)]
    public void TheRuleItself(string name, bool isRight) => Assert.Equal(isRight, IsPascalCase(name));

    private static bool IsPascalCase(string name) => char.IsUpper(name[0]) && !name.Contains('_', StringComparison.Ordinal);
}
