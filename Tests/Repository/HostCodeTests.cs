using System.Reflection;
using Llama4Kernels.Cli.Commands;
using Llama4Kernels.Cli.Shared;
using Llama4Kernels.Engine.Diagnostics;
using Llama4Kernels.Engine.Serving;

namespace Llama4Kernels.Tests.Repository;

/// <summary>
/// The engine's public surface is enough for a host: the README's sample, and what commands do that a host would do too, name
/// nothing else of it, though tests and the command line see more.
/// </summary>
public sealed class HostCodeTests
{
    private const BindingFlags All = BindingFlags.Static | BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;

    private static readonly Assembly s_engine = typeof(Llama4Engine).Assembly;

    public static TheoryData<Type> HostCode => new(
        typeof(ReadmeSample), typeof(DocumentationSamples), typeof(ChatCommand), typeof(GenerateCommand), typeof(ServeCommand), typeof(EvalCommand), typeof(VerifyCommand),
        typeof(Generating), typeof(ModelArguments), typeof(SamplingArguments), typeof(ConstraintArguments), typeof(CacheArguments), typeof(ToolsFile), typeof(LoadBar));

    [Theory]
    [MemberData(nameof(HostCode))]
    public void WhatAHostWouldDoUsesThePublicSurfaceOnly(Type code)
    {
        MemberInfo[] used = [.. EngineMembersIn(code)];
        Assert.NotEmpty(used);
        string[] hidden = [.. used.Where(member => !IsPublic(member)).Select(member => $"{(member as Type ?? member.DeclaringType)!.FullName}.{member.Name}").Distinct().Order(StringComparer.Ordinal)];
        Assert.True(hidden.Length == 0, $"{code.Name} uses what a host cannot: {string.Join(", ", hidden)}");
    }

    /// <summary>So that the rule above cannot pass because it finds nothing.</summary>
    [Fact]
    public void UsesOfMachineryAreFound() => Assert.Contains(EngineMembersIn(typeof(HostCodeTests)), member => !IsPublic(member) && member.Name == nameof(FiniteLogits.Check));

    /// <summary>Diagnostics are analysis: nothing that serves requests needs them.</summary>
    [Fact]
    public void HostsThatServeNeedNoDiagnostics() =>
        Assert.DoesNotContain(
            new[] { typeof(ReadmeSample), typeof(ChatCommand), typeof(Generating) }.SelectMany(EngineMembersIn),
            member => (member as Type ?? member.DeclaringType)!.Namespace == typeof(ModelRunner).Namespace);

    private static void UsesMachinery() => FiniteLogits.Check([1], 1);

    private static IEnumerable<MemberInfo> EngineMembersIn(Type code) => code.GetNestedTypes(All).SelectMany(EngineMembersIn)
        .Concat(code.GetMethods(All).Cast<MethodBase>().Concat(code.GetConstructors(All)).SelectMany(CodeReferences.Of)
            .Where(member => (member as Type ?? member.DeclaringType)?.Assembly == s_engine));

    private static bool IsPublic(MemberInfo member) => (member as Type ?? member.DeclaringType)!.IsVisible && member switch
    {
        MethodBase method => method.IsPublic,
        FieldInfo field => field.IsPublic,
        _ => true,
    };
}
