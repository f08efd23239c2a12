using Llama4Kernels.Engine.Serving;
using Llama4Kernels.Hosting;
using PublicApiGenerator;

namespace Llama4Kernels.Tests.Repository;

/// <summary>
/// What a host may use of the engine, and of its hosting, is listed in a file: whoever changes it sees in the listing what hosts
/// will see. <c>LLAMA4_UPDATE_API=1</c> writes it anew.
/// </summary>
public sealed class PublicApiTests
{
    public static TheoryData<Type, string> Listings => new()
    {
        { typeof(Llama4Engine), "Engine/PublicApi.txt" },
        { typeof(Llama4ChatClient), "Engine/Hosting/PublicApi.txt" },
    };

    [Theory]
    [MemberData(nameof(Listings))]
    public void ThePublicSurfaceIsTheListedOne(Type inside, string listing)
    {
        string path = Path.Combine(GoldenFiles.Repository, listing);
        string actual = inside.Assembly.GeneratePublicApi(new ApiGeneratorOptions
        {
            IncludeAssemblyAttributes = false,
            // An extension stands where hosts look for it.
            DenyNamespacePrefixes = ["System"],
            ExcludeAttributes = ["System.Runtime.CompilerServices.IsReadOnlyAttribute", "System.Runtime.CompilerServices.NullableAttribute", "System.Runtime.CompilerServices.NullableContextAttribute"],
        }).ReplaceLineEndings("\n").TrimEnd() + "\n";
        if (Environment.GetEnvironmentVariable("LLAMA4_UPDATE_API") == "1")
        {
            File.WriteAllText(path, actual);
        }
        string[] listed = File.ReadAllLines(path), now = actual.TrimEnd().Split('\n');
        string[] added = [.. now.Except(listed, StringComparer.Ordinal)], gone = [.. listed.Except(now, StringComparer.Ordinal)];
        Assert.True(listed.SequenceEqual(now, StringComparer.Ordinal), $"{listing} is not what is public; if it is meant, run this test with LLAMA4_UPDATE_API=1.\nnew:\n{string.Join('\n', added)}\ngone:\n{string.Join('\n', gone)}");
    }
}
