using Llama4Kernels.Engine.Serving;
using PublicApiGenerator;

namespace Llama4Kernels.Tests.Repository;

/// <summary>
/// What a host may use of the engine is listed in a file: whoever changes it sees in the listing what hosts will see.
/// <c>LLAMA4_UPDATE_API=1</c> writes it anew.
/// </summary>
public sealed class PublicApiTests
{
    private static readonly string s_listing = Path.Combine(GoldenFiles.Repository, "Engine", "PublicApi.txt");

    [Fact]
    public void ThePublicSurfaceIsTheListedOne()
    {
        string actual = typeof(Llama4Engine).Assembly.GeneratePublicApi(new ApiGeneratorOptions
        {
            IncludeAssemblyAttributes = false,
            ExcludeAttributes = ["System.Runtime.CompilerServices.IsReadOnlyAttribute", "System.Runtime.CompilerServices.NullableAttribute", "System.Runtime.CompilerServices.NullableContextAttribute"],
        }).ReplaceLineEndings("\n").TrimEnd() + "\n";
        if (Environment.GetEnvironmentVariable("LLAMA4_UPDATE_API") == "1")
        {
            File.WriteAllText(s_listing, actual);
        }
        string[] listed = File.ReadAllLines(s_listing), now = actual.TrimEnd().Split('\n');
        string[] added = [.. now.Except(listed, StringComparer.Ordinal)], gone = [.. listed.Except(now, StringComparer.Ordinal)];
        Assert.True(listed.SequenceEqual(now, StringComparer.Ordinal), $"Engine/PublicApi.txt is not what is public; if it is meant, run this test with LLAMA4_UPDATE_API=1.\nnew:\n{string.Join('\n', added)}\ngone:\n{string.Join('\n', gone)}");
    }
}
