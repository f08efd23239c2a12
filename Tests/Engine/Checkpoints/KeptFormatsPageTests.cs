using System.Globalization;
using System.Text.RegularExpressions;
using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Config;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Quantization.Gguf;
using Llama4Kernels.Tests.Repository;

namespace Llama4Kernels.Tests.Engine.Checkpoints;

/// <summary>What docs/formats.md says about bytes, groups, scales and refused methods is what the code's records have.</summary>
public sealed partial class KeptFormatsPageTests
{
    private const int Columns = 8192;

    private static readonly string s_page = RepositoryFiles.Read("docs/formats.md").ReplaceLineEndings("\n");

    /// <summary>What each row of the first table is about.</summary>
    private static readonly Dictionary<string, WeightFormat[]> s_rows = new()
    {
        ["BF16"] = [WeightFormat.BF16],
        ["F32, F16"] = [WeightFormat.F32],
        ["FP8 E4M3 with a scale per row or tensor (compressed-tensors, fbgemm, ModelOpt)"] = [WeightFormat.Fp8],
        ["FP8 E4M3 in blocks, such as 128×128"] = [KeptFormats.Fp8Blocks(128, ScaleKind.BF16)],
        ["compressed-tensors int4, symmetric, groups of 128 (w4a16)"] = [WeightFormat.Int4],
        ["compressed-tensors int4 or int8, other groups or a scale a row"] = Integers(OffsetKind.None, 32, 64, 128),
        ["the same with zero points"] = Integers(OffsetKind.Zero, 32, 64, 128),
        ["int8 per row (w8a8)"] = [KeptFormats.Integers(8, 0, ScaleKind.BF16, OffsetKind.None)],
        ["MLX affine, 4 or 8 bits, groups of 32, 64 or 128"] = Integers(OffsetKind.Added, 32, 64, 128),
    };

    [Fact]
    public void BytesOfAWeightAreTheFormats()
    {
        string[][] rows = Table("| stored as | kept as |");
        Assert.Equal(s_rows.Keys.Order(StringComparer.Ordinal), rows.Select(row => row[0]).Order(StringComparer.Ordinal));
        foreach (string[] row in rows)
        {
            foreach (WeightFormat format in s_rows[row[0]])
            {
                double expected = Bytes(row[2], format), actual = (double)format.Bytes(1, Columns) / Columns;
                Assert.True(Math.Abs(expected - actual) <= 5e-4, $"{row[0]}, {format}: {actual:F4} bytes of a weight, '{row[2]}' is {expected:F4}");
            }
        }
    }

    [Fact]
    public void TheSizesOfGgufTypesAreTheFiles()
    {
        Match line = Regex.Match(s_page, "^GGUF, relative to the file: (?<same>.*) take as many bytes, (?<more>.*) \\(six-bit", RegexOptions.Multiline);
        Dictionary<string, double> told = Name().Matches(line.Groups["same"].Value).ToDictionary(name => name.Value, _ => 1.0);
        foreach (Match more in Ratio().Matches(line.Groups["more"].Value))
        {
            told.Add(more.Groups[1].Value, double.Parse(more.Groups[2].Value, CultureInfo.InvariantCulture));
        }
        Assert.Equal(GgufBlockType.All.Select(type => type.Name).Order(StringComparer.Ordinal), told.Keys.Order(StringComparer.Ordinal));
        foreach (GgufBlockType type in GgufBlockType.All)
        {
            double ratio = (double)type.Format.Bytes(1, Columns) / (Columns / type.Columns * type.Bytes);
            Assert.True(Math.Abs(ratio - told[type.Name]) <= 5e-4, $"{type.Name}: {ratio:F4}, told {told[type.Name]}");
        }
    }

    [Fact]
    public void BitsGroupsScalesAndOffsetsAreTheFormats()
    {
        HashSet<string> seen = [];
        foreach (string[] row in Table("| type | bits of a code |"))
        {
            GgufBlockType[] types = [.. row[0].Split(", ").Select(name => GgufBlockType.Find(name)!)];
            Assert.All(types, type => Assert.True(seen.Add(type.Name)));
            Assert.Equal(types.Select(type => type.Format.Bits).Distinct(), Number().Matches(row[1].Split(", from")[0].Split(", a")[0]).Select(bits => int.Parse(bits.Value, CultureInfo.InvariantCulture)));
            Assert.All(types, type => Assert.Equal(int.Parse(row[2], CultureInfo.InvariantCulture), type.Format.GroupColumns));
            string[] scales = row[3].Split("; ");
            for (int i = 0; i < types.Length; i++)
            {
                WeightFormat format = types[i].Format;
                Assert.Equal(scales[scales.Length == 1 ? 0 : i].StartsWith("half of 256", StringComparison.Ordinal), format.IsTwoLevel);
                Assert.Equal(row[3] == "power of two", format.Scale == ScaleKind.Power);
                Assert.Equal(row[4], format.Offset switch { OffsetKind.None => "–", OffsetKind.TwoLevel => scales[^1], _ => "half" });
            }
        }
        Assert.Equal(GgufBlockType.All.Count, seen.Count);
    }

    /// <summary>The methods that the page calls unsupported are refused by name, with what to take instead.</summary>
    [Fact]
    public void UnsupportedMethodsAreRefusedByNameWithAdvice()
    {
        string list = Regex.Match(s_page, "compressed-tensors w4a16 or FP8-dynamic one: (.*) and other methods").Groups[1].Value;
        string[] methods = list.Split(", ");
        Assert.Equal(["bitsandbytes", "AWQ", "GPTQ", "AutoRound"], methods);
        foreach (string method in methods)
        {
            string name = method == "AutoRound" ? "auto-round" : method.ToLowerInvariant();
            ModelFormatException e = Assert.Throws<ModelFormatException>(() =>
                ModelConfig.Parse($$"""{"model_type":"llama4_text","hidden_size":64,"quantization_config":{"quant_method":"{{name}}","bits":4} }""", "config.json"));
            Assert.Contains($"'{name}'", e.Reason, StringComparison.Ordinal);
            Assert.Contains("--weights int4", e.Reason, StringComparison.Ordinal);
        }
    }

    private static WeightFormat[] Integers(OffsetKind offset, params int[] groups) =>
        [.. from bits in (int[])[4, 8] from columns in groups where (bits, columns, offset) != (4, 128, OffsetKind.None) select KeptFormats.Integers(bits, columns, ScaleKind.BF16, offset)];

    /// <summary>"0.5 or 1, + 2 / group": the first for four bits, the second for eight.</summary>
    private static double Bytes(string told, WeightFormat format)
    {
        Match parts = Formula().Match(told);
        Assert.True(parts.Success, told);
        string code = parts.Groups["second"].Success && format.Bits == 8 ? parts.Groups["second"].Value : parts.Groups["first"].Value;
        double share = parts.Groups["more"].Success
            ? double.Parse(parts.Groups["more"].Value, CultureInfo.InvariantCulture) / (parts.Groups["of"].Value == "in" ? Columns : format.GroupColumns)
            : 0;
        return double.Parse(code, CultureInfo.InvariantCulture) + share;
    }

    private static string[][] Table(string head)
    {
        string[] lines = s_page.Split('\n');
        int first = Array.FindIndex(lines, line => line.StartsWith(head, StringComparison.Ordinal));
        Assert.True(first >= 0);
        return [.. lines.Skip(first + 2).TakeWhile(line => line.StartsWith('|')).Select(line => line.Split('|')[1..^1].Select(cell => cell.Trim()).ToArray())];
    }

    [GeneratedRegex(@"^(?<first>[\d.]+)( or (?<second>[\d.]+))?(,? \+ (?<more>\d+) / (?<of>in|group))?$")]
    private static partial Regex Formula();

    [GeneratedRegex(@"\b(?:I?Q\d_\w+|MXFP4)\b")]
    private static partial Regex Name();

    [GeneratedRegex(@"\b(I?Q\d_\w+) (1\.\d+)")]
    private static partial Regex Ratio();

    [GeneratedRegex(@"\d+")]
    private static partial Regex Number();
}
