using System.Text.RegularExpressions;

namespace Llama4Kernels.Tests.Repository;

/// <summary>
/// A later format of weights or of the cache is a further row, not a further switch: what depends on a format is a property of its row or of a
/// record of products. So only the files that define formats, types and encodings ask which one it is.
/// </summary>
public partial class FormatTests
{
    /// <summary>Where a format, an element type or an encoding is told apart, and what for.</summary>
    private static readonly Dictionary<string, string> s_allowed = new()
    {
        ["Kernels/Contracts/WeightFormat.cs"] = "the rows, and which one a stored type is",
        ["Kernels/Numerics/ElementType.cs"] = "sizes of types",
        ["Kernels/Contracts/StridedMatrix.cs"] = "widening of stored types",
        ["Kernels/Quantization/CodeFormats.cs"] = "values of codes",
        ["Kernels/Quantization/GroupNumbers.cs"] = "stored types that scales may have",
        ["Kernels/Embedding/TokenEmbedding.Cpu.cs"] = "widening of stored types, with vectors",
        ["Kernels/Quantization/AffineCodes.cs"] = "where counted codes begin",
        ["Kernels/MatMul/PackJob.cs"] = "stored bits that are taken over unchanged",
        ["Kernels/MatMul/AssembledTile.cs"] = "how weights come into registers",
        ["Engine/Checkpoints/StoredType.cs"] = "which stored types are plain numbers",
        ["Engine/Checkpoints/Quantised/Fp8Form.cs"] = "the stored type of its own form",
        ["Engine/Checkpoints/Quantised/ScaleChecks.cs"] = "special values of stored types",
    };

    private static IEnumerable<string> Sources => RepositoryFiles.All.Where(path =>
        path.EndsWith(".cs", StringComparison.Ordinal) && (path.StartsWith("Kernels/", StringComparison.Ordinal) || path.StartsWith("Engine/", StringComparison.Ordinal) || path.StartsWith("tools/llama4/", StringComparison.Ordinal)));

    [Fact]
    public void OnlyWhatDefinesFormatsTellsThemApart()
    {
        string[] wrong = [.. Sources.Where(path => !s_allowed.ContainsKey(path)).SelectMany(path => Choice().Matches(RepositoryFiles.Read(path)).Select(match => $"{path}: {match.Value}"))];
        Assert.True(wrong.Length == 0, string.Join("\n", wrong));
    }

    /// <summary>An exception that is not needed any more goes.</summary>
    [Fact]
    public void EveryExceptionIsInUse() => Assert.All(s_allowed.Keys, path => Assert.Matches(Choice(), RepositoryFiles.Read(path)));

    [Theory]
    [InlineData("if (w.Format == WeightFormat.Int4)", true)]
    [InlineData("x = format != WeightFormat.F16 ? 1 : 2;", true)]
    [InlineData("WeightFormat.Fp8 => 3,", true)]
    [InlineData("case ElementType.BF16:", true)]
    [InlineData("ElementType.F32 => sizeof(float),", true)]
    [InlineData("ElementType.BF16 or ElementType.F16 => 2,", true)]
    [InlineData("format == KvFormat.BF16 ? sizeof(ushort) : sizeof(float)", true)]
    [InlineData("precision ? KvFormat.BF16 : KvFormat.F32", false)]
    [InlineData("layout.Encoding is WeightEncoding.Iq4 or WeightEncoding.E2M1", true)]
    [InlineData("WeightScheme.Int4 => WeightFormat.Int4,", false)]
    [InlineData("Pack(sources, WeightFormat.Int4)", false)]
    [InlineData("source.PlainType ?? ElementType.F32", false)]
    [InlineData("new(\"q\", WeightEncoding.Unsigned, 4)", false)]
    public void TheRuleItself(string code, bool isChoice) => Assert.Equal(isChoice, Choice().IsMatch(code));

    // A comparison, a case, or an arm of a switch.
    [GeneratedRegex(@"(?:[=!]=|\bis(?: not)?|\bcase|\bor)\s+(?:WeightFormat|WeightEncoding|ElementType|KvFormat)\.[A-Z]\w*|\b(?:WeightFormat|WeightEncoding|ElementType|KvFormat)\.[A-Z]\w*(?:\s+when\b[^=]*)?\s*=>")]
    private static partial Regex Choice();
}
