using System.Text.RegularExpressions;
using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Checkpoints;
using Llama4Kernels.Engine.Checkpoints.Gguf;
using Llama4Kernels.Engine.Checkpoints.SafeTensors;
using Llama4Kernels.Engine.Checkpoints.Weights;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Quantization.Gguf;
using Llama4Kernels.Tests.Cases;
using Llama4Kernels.Tests.Engine.Checkpoints.Gguf;
using Llama4Kernels.Tests.Engine.Checkpoints.Meta;
using Llama4Kernels.Tests.Engine.Checkpoints.Quantised;
using Llama4Kernels.Tests.Repository;

namespace Llama4Kernels.Tests.Engine.Checkpoints;

/// <summary>
/// README's table of what loads. Every phrase of it has a proof that opens such a checkpoint and looks at what it becomes; a phrase
/// without one, a proof without a phrase, and a format of the code that the table lacks fail.
/// </summary>
public sealed partial class FormatTableTests : IDisposable
{
    private static readonly Dictionary<string, Action<FormatTableTests, string>> s_proofs = new()
    {
        ["safetensors as published: BF16, F16, F32"] = (test, phrase) => test.Plain(phrase),
        ["safetensors as published: one file or shards"] = (_, _) =>
        {
            Assert.Equal(1, Files(GoldenFiles.Path("tiny-scout")));
            Assert.Equal(2, Files(GoldenFiles.Path("tiny-maverick")));
        },
        ["safetensors as published: a snapshot of the hub's cache as it lies"] = (test, _) => test.Snapshot(),
        ["FP8 (E4M3): a scale per output row, per tensor or per block (`compressed-tensors`, `fbgemm_fp8`, ModelOpt), experts one by one or fused"] = (test, _) => test.Fp8(),
        ["`compressed-tensors` int4 and int8: packed words in groups or per row, bytes per row or tensor, symmetric or with zero points"] = (test, _) => test.Integers(),
        ["`compressed-tensors` int4 and int8: columns in order (no used `g_idx`)"] = (test, _) =>
        {
            test.Stored(StoredVariant.Packed(4, 32, false, SafeTensorsType.BF16, unusedOrder: true), "int4g32-bf16");
            test.RefusedVariant(StoredVariant.Packed(4, 32, false, SafeTensorsType.BF16, order: "\"group\""), "actorder");
        },
        ["MLX: affine, 4 and 8 bits, groups of 32, 64 and 128"] = (test, phrase) => test.Mlx(phrase),
        ["GGUF (`llama4`): F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q2_K to Q6_K, IQ4_NL, IQ4_XS, MXFP4, mixed as in Q4_K_M"] = (test, phrase) => test.GgufTypesOf(phrase),
        ["GGUF (`llama4`): a file, or a folder with one model"] = (test, _) =>
        {
            using var nano = new NanoGguf();
            nano.Model().Write(test._folder.File("nano.gguf"));
            Assert.Equal((1, 1), (Files(test._folder.Path), Files(test._folder.File("nano.gguf"))));
        },
        ["GGUF (`llama4`): split files"] = (test, _) =>
        {
            using var nano = new NanoGguf();
            nano.WriteSplit(test._folder.Path, 3);
            Assert.Equal(3, Files(test._folder.Path));
        },
        ["GGUF (`llama4`): the projector (\"mmproj\") beside it"] = (test, _) =>
        {
            using var nano = new NanoGguf();
            nano.Model().Write(test._folder.File("nano.gguf"));
            nano.Projector().Write(test._folder.File("mmproj.gguf"));
            using Checkpoint checkpoint = Checkpoint.Open(test._folder.Path);
            Assert.True(checkpoint.HasVision);
        },
        ["Meta's own: `params.json`, `consolidated.NN.pth`, `tokenizer.model`"] = (test, _) => test.MetaFolder(),
        ["Meta's own: BF16, F16, F32"] = (test, phrase) => test.MetaTypes(phrase),
        ["Meta's own: any number of ranks"] = (test, _) =>
        {
            foreach (int ranks in (int[])[1, 6, 12])
            {
                new SplitModel(1).WriteMeta(test._folder, ranks);
                Assert.Equal(ranks, Files(test._folder.Path));
            }
        },
    };

    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string> Phrases => [.. Table().Phrases];

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Phrases))]
    public void EveryPhraseHolds(string phrase)
    {
        Assert.True(s_proofs.TryGetValue(phrase, out Action<FormatTableTests, string>? proof), $"Nothing proves '{phrase}'.");
        proof(this, phrase);
    }

    [Fact]
    public void EveryProofHasItsPhrase() => Assert.Equal(s_proofs.Keys.Order(StringComparer.Ordinal), Table().Phrases.Order(StringComparer.Ordinal));

    /// <summary>The classes that the table names are those of the references, which open.</summary>
    [Fact]
    public void TheClassesAreThoseOfTheReferences()
    {
        Assert.Equal(["Llama4ForConditionalGeneration", "Llama4ForCausalLM"], Code().Matches(Table().Labels[0]).Select(name => name.Groups[1].Value));
        foreach ((string folder, string name) in ((string, string)[])[("tiny-scout", "Llama4ForConditionalGeneration"), ("tiny-flat", "Llama4ForCausalLM")])
        {
            Assert.Contains(name, File.ReadAllText(GoldenFiles.Path(folder, "config.json")), StringComparison.Ordinal);
            using Checkpoint checkpoint = Checkpoint.Open(GoldenFiles.Path(folder));
            Assert.Equal(name == "Llama4ForConditionalGeneration", checkpoint.HasVision);
        }
    }

    private void Plain(string phrase)
    {
        SafeTensorsType[] types = [.. Types(phrase).Select(Enum.Parse<SafeTensorsType>)];
        foreach (SafeTensorsType type in Enum.GetValues<SafeTensorsType>())
        {
            string folder = _folder.File(type.ToString());
            Directory.CreateDirectory(folder);
            File.Copy(GoldenFiles.Path("tiny-flat", "config.json"), Path.Combine(folder, "config.json"));
            using (SafeTensorsFile golden = SafeTensorsFile.Open(GoldenFiles.Path("tiny-flat", "model.safetensors")))
            {
                SafeTensorsWriter.Write(Path.Combine(folder, "model.safetensors"), golden.Tensors.Select(tensor =>
                {
                    float[] values = golden.ReadFloats(tensor.Name);
                    byte[] bytes = types.Contains(type) ? StoredVariant.Bytes(values, type) : new byte[(values.Length * type.Bits() + 7) / 8];
                    return SafeTensorsEntry.FromBytes(tensor.Name, type, [.. tensor.Shape], bytes);
                }));
            }
            if (types.Contains(type))
            {
                Kept(folder, type == SafeTensorsType.BF16 ? "bf16" : type == SafeTensorsType.F16 ? "f16" : "f32");
            }
            else
            {
                Refused(folder, type.ToString());
            }
        }
    }

    private void Snapshot()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Links need a right there.");
        Directory.CreateDirectory(_folder.File("blobs"));
        Directory.CreateDirectory(_folder.File("snapshots/0f3a"));
        int blob = 0;
        foreach (string file in Directory.GetFiles(GoldenFiles.Path("tiny-maverick")))
        {
            File.Copy(file, _folder.File($"blobs/{++blob}"));
            File.CreateSymbolicLink(_folder.File($"snapshots/0f3a/{Path.GetFileName(file)}"), $"../../blobs/{blob}");
        }
        Assert.Equal(2, Files(_folder.File("snapshots/0f3a")));
    }

    private void Fp8()
    {
        Stored(StoredVariant.Fp8(1, 0, SafeTensorsType.BF16), "fp8");
        Stored(StoredVariant.Fp8(0, 0, SafeTensorsType.F32), "fp8");
        Stored(StoredVariant.Fp8(128, 128, SafeTensorsType.BF16), "fp8g128-bf16");
        Stored(StoredVariant.Fp8(1, 0, SafeTensorsType.F32) with { Config = """{"quant_method": "fbgemm_fp8", "activation_scale_ub": 1200}""" }, "fp8");
        Kept(GoldenFiles.Path("quantised", "modelopt-fp8"), "fp8");
        _folder.CopyModel(GoldenFiles.Path("tiny-long"));
        File.Copy(GoldenFiles.Path("cases", "fbgemm-fused-experts", "model.safetensors"), _folder.File("model.safetensors"), overwrite: true);
        JsonEdits.Apply(_folder.File("config.json"), new() { ["set"] = new System.Text.Json.Nodes.JsonObject { ["/quantization_config"] = new System.Text.Json.Nodes.JsonObject { ["quant_method"] = "fbgemm_fp8" } } });
        Kept(_folder.Path, "fp8");
    }

    private void Integers()
    {
        foreach (int bits in (int[])[4, 8])
        {
            Stored(StoredVariant.Packed(bits, 32, false, SafeTensorsType.F16), $"int{bits}g32-f16");
            Stored(StoredVariant.Packed(bits, 64, true, SafeTensorsType.BF16), $"uint{bits}g64-bf16-zero");
            Stored(StoredVariant.Packed(bits, 0, false, SafeTensorsType.F32), $"int{bits}row-f32");
            Stored(StoredVariant.Packed(bits, 0, true, SafeTensorsType.BF16), $"uint{bits}row-bf16-zero");
        }
        Stored(StoredVariant.Packed(4, 128, false, SafeTensorsType.BF16), "int4");
        Stored(StoredVariant.SignedBytes(false, false, SafeTensorsType.BF16), "int8row-bf16");
        Stored(StoredVariant.SignedBytes(false, true, SafeTensorsType.F32), "int8row-f32");
        Stored(StoredVariant.SignedBytes(true, false, SafeTensorsType.BF16), "uint8row-bf16-zero");
        Stored(StoredVariant.SignedBytes(true, true, SafeTensorsType.F32), "uint8row-f32-zero");
    }

    private void Mlx(string phrase)
    {
        int[] numbers = [.. Number().Matches(phrase).Select(number => int.Parse(number.Value, System.Globalization.CultureInfo.InvariantCulture))];
        (int[] bits, int[] groups) = (numbers[..2], numbers[2..]);
        Assert.Equal([4, 8, 32, 64, 128], numbers);
        foreach (int each in bits)
        {
            Array.ForEach(groups, group => Stored(StoredVariant.Mlx(each, group, SafeTensorsType.BF16), $"uint{each}g{group}-bf16-affine"));
        }
        RefusedVariant(StoredVariant.Mlx(2, 64, SafeTensorsType.BF16), "2-bit is not supported; 4 and 8 are");
        RefusedVariant(StoredVariant.Mlx(4, 16, SafeTensorsType.BF16), "groups of 16");
    }

    /// <summary>The types of the table are those of the code, each is kept in its own format, and every other one is refused by name.</summary>
    private void GgufTypesOf(string phrase)
    {
        string[] types = Types(phrase.Replace(", mixed as in Q4_K_M", "", StringComparison.Ordinal));
        string[] plain = ["F32", "F16", "BF16"];
        Assert.Equal(plain.Concat(GgufBlockType.All.Select(type => type.Name)).Order(StringComparer.Ordinal), types.Order(StringComparer.Ordinal));
        const string Matrix = "blk.1.attn_q.weight";
        using var nano = new NanoGguf();
        GgufWriter file = nano.Model();
        string path = _folder.File("nano.gguf");
        for (uint number = 0; number < 64; number++)
        {
            if (!GgufTypes.TryGet(number, out StoredType? type))
            {
                continue;
            }
            file.Instead(Matrix, type: number, data: new byte[256 / type.BlockElements * type.BlockBytes * 256]).Write(path);
            if (!types.Contains(type.Name))
            {
                Refused(path, type.BlockElements > 1 ? $"{Matrix}: is {type.Name}, a block type that this engine does not read" : Matrix);
                continue;
            }
            using Checkpoint checkpoint = Checkpoint.Open(path);
            WeightFormat? format = checkpoint.Weights.Open(checkpoint.Weights[WeightRole.Query, 1]).Format;
            Assert.Equal(plain.Contains(type.Name) ? type.Name.ToLowerInvariant() : GgufBlockType.Find(type.Name)!.Format.Name, format?.Name);
            // The file is mixed as some tools mix: what was not changed is what it was.
            Assert.Equal("bf16", checkpoint.Weights.Open(checkpoint.Weights[WeightRole.Key, 1]).Format?.Name);
        }
    }

    private void MetaFolder()
    {
        string from = GoldenFiles.Path("meta", "tiny-scout-1");
        File.Copy(Path.Combine(from, "params.json"), _folder.File("params.json"));
        File.Copy(Path.Combine(from, "consolidated.00.pth"), _folder.File("consolidated.00.pth"));
        File.Copy(Path.Combine(GoldenFiles.SampleModel, "tokenizer.model"), _folder.File("tokenizer.model"));
        using (Checkpoint checkpoint = Checkpoint.Open(_folder.Path))
        {
            Assert.Equal("a word", checkpoint.LoadTokenizer()!.Decode(checkpoint.LoadTokenizer()!.Encode("a word")));
        }
        File.Move(_folder.File("params.json"), _folder.File("params.txt"));
        Refused(_folder.Path, "params.json: the file does not exist");
        File.Move(_folder.File("params.txt"), _folder.File("params.json"));
        File.Delete(_folder.File("consolidated.00.pth"));
        Refused(_folder.Path, "has Meta's params.json, but no consolidated.00.pth beside it");
    }

    private void MetaTypes(string phrase)
    {
        Dictionary<string, string> storages = new() { ["BF16"] = "BFloat16Storage", ["F16"] = "HalfStorage", ["F32"] = "FloatStorage" };
        Assert.Equal(storages.Keys, Types(phrase));
        foreach ((string type, string storage) in storages)
        {
            new SplitModel(1).WriteMeta(_folder, 2, storage);
            Kept(_folder.Path, type.ToLowerInvariant());
        }
    }

    /// <summary>A variant opens, and its experts are kept in a format.</summary>
    private void Stored(StoredVariant variant, string format) => Kept(VariantModel.Write(_folder, variant).Stored, format);

    private void RefusedVariant(StoredVariant variant, string expected) => Refused(VariantModel.Write(_folder, variant).Stored, expected);

    private static void Kept(string path, string format)
    {
        using Checkpoint checkpoint = Checkpoint.Open(path);
        WeightRole[] linear = [WeightRole.Query, WeightRole.Gate, WeightRole.SharedGate, WeightRole.ExpertGate, WeightRole.ExpertDown];
        string?[] formats = [.. checkpoint.Weights.Weights.Where(weight => linear.Contains(weight.Role)).Select(weight => checkpoint.Weights.Open(weight).Format?.Name).Distinct()];
        Assert.Contains(format, formats);
    }

    private static void Refused(string path, string expected) =>
        Assert.Contains(expected, Assert.Throws<ModelFormatException>(() => Checkpoint.Open(path)).Message, StringComparison.Ordinal);

    private static int Files(string path)
    {
        using Checkpoint checkpoint = Checkpoint.Open(path);
        return checkpoint.Tensors.Select(tensor => tensor.File).Distinct().Count();
    }

    /// <summary>Names of types, "Q2_K to Q6_K" as all between.</summary>
    private static string[] Types(string phrase) => [.. phrase[(phrase.LastIndexOf(':') + 2)..].Split(", ").SelectMany(name => Range().Match(name) is { Success: true } range
        ? Enumerable.Range(range.Groups[1].Value[0] - '0', range.Groups[2].Value[0] - range.Groups[1].Value[0] + 1).Select(bits => $"Q{bits}_K")
        : [name])];

    /// <summary>The first cells, and each first cell's beginning with each part of the second.</summary>
    private static (string[] Labels, string[] Phrases) Table()
    {
        string[] lines = RepositoryFiles.Read("README.md").ReplaceLineEndings("\n").Split('\n');
        int first = Array.IndexOf(lines, "| format | what loads |") + 2;
        string[][] rows = [.. lines.Skip(first).TakeWhile(line => line.StartsWith('|')).Select(line => line.Split('|')[1..3].Select(cell => cell.Trim()).ToArray())];
        Assert.True(first > 1 && rows.Length >= 6);
        return ([.. rows.Select(row => row[0])], [.. rows.SelectMany(row => row[1].Split("; ").Select(part => $"{Label(row[0])}: {part}"))]);

        static string Label(string cell) => cell.StartsWith("safetensors as published", StringComparison.Ordinal) ? "safetensors as published" : cell;
    }

    [GeneratedRegex(@"^Q(\d)_K to Q(\d)_K$")]
    private static partial Regex Range();

    [GeneratedRegex("`([^`]+)`")]
    private static partial Regex Code();

    [GeneratedRegex(@"\d+")]
    private static partial Regex Number();
}
