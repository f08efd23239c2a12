using System.Text.Json.Nodes;
using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Checkpoints;
using Llama4Kernels.Engine.Checkpoints.Conversion;
using Llama4Kernels.Engine.Diagnostics;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Tests.Cases;
using Llama4Kernels.Tests.Engine.Checkpoints;
using Llama4Kernels.Tests.Engine.Checkpoints.Gguf;

namespace Llama4Kernels.Tests.Engine.Model;

/// <summary>Folders that <c>quantize</c> writes: mapped, with the logits of the same formats made on loading, and written once whatever happens meanwhile.</summary>
public sealed class ModelQuantiserTests : IDisposable
{
    private static readonly int[] s_ids = [.. Enumerable.Range(0, 40).Select(i => (i * 37 + 11) % 200)];

    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string, WeightScheme, LinearParts?> Models => new()
    {
        { "nano", WeightScheme.Stored, null },
        { "nano", WeightScheme.Int4, null },
        { "nano", WeightScheme.Int4, LinearParts.All },
        { "nano", WeightScheme.Int8, LinearParts.All },
        { "nano", WeightScheme.Fp8, LinearParts.All },
        { "tiny-scout", WeightScheme.Int4, null },
        { "tiny-flat", WeightScheme.Stored, null },
        { "tiny-fp8", WeightScheme.Stored, null },
        { "tiny-fp8", WeightScheme.Fp8, null },
        { "tiny-maverick", WeightScheme.Fp8, null },
    };

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Models))]
    public void ASavedModelIsMappedAndGivesTheLogitsOfTheSameFormats(string name, WeightScheme weights, LinearParts? include)
    {
        var options = new ModelOptions { Weights = weights, Include = include, Activations = ActivationPrecision.Int8, Threads = 2 };
        string saved = Save(ModelFixture.Folder(name), options);
        using Llama4Model model = Llama4Model.Load(ModelFixture.Folder(name), options);
        float[] expected = ModelRunner.Run(model, s_ids, new RunOptions()).Logits;
        // As the folder has them, and with the options once more, as verify names them.
        foreach (ModelOptions chosen in new[] { options with { Weights = WeightScheme.Stored, Include = null }, options })
        {
            using Llama4Model mapped = Llama4Model.Load(saved, chosen);
            Assert.Equal(expected, ModelRunner.Run(mapped, s_ids, new RunOptions()).Logits);
            Assert.Equal((model.HasVision, model.WeightBytes, model.MaxContext), (mapped.HasVision, mapped.WeightBytes, mapped.MaxContext));
            Assert.Equal(model.Matrices.Count(), mapped.Matrices.Count());
            // Nothing was packed, nothing copied.
            Assert.All(mapped.Matrices, matrix => Assert.True(matrix.IsMapped));
            Assert.DoesNotContain(mapped.Warnings, warning => warning.Contains("again", StringComparison.Ordinal) || warning.Contains("stay as they are", StringComparison.Ordinal));
        }
        var exact = options with { Activations = ActivationPrecision.Float32 };
        // The same formats, in the layouts of another mode.
        using Llama4Model again = Llama4Model.Load(saved, exact with { Weights = WeightScheme.Stored, Include = null }), direct = Llama4Model.Load(ModelFixture.Folder(name), exact);
        Assert.Equal(ModelRunner.Run(direct, s_ids, new RunOptions()).Logits, ModelRunner.Run(again, s_ids, new RunOptions()).Logits);
        string[] codes = weights switch { WeightScheme.Int4 => ["int4 in panels64"], WeightScheme.Int8 => ["q8_0 in panels32-int8"], _ => [] };
        Assert.Equal(codes, again.Warnings.Where(warning => warning.Contains("were packed again", StringComparison.Ordinal)).Select(warning => Assert.Single(codes, code => warning.Contains($"{code} version 1, but products here read ", StringComparison.Ordinal))));
    }

    /// <summary>Eight bits for products that do not round activations to integers.</summary>
    [Theory]
    [InlineData(ActivationPrecision.Float32)]
    [InlineData(ActivationPrecision.BFloat16)]
    public void EightBitsAreSavedForOperandsThatStayNumbers(ActivationPrecision activations)
    {
        var options = new ModelOptions { Weights = WeightScheme.Int8, Include = LinearParts.All, Activations = activations, Threads = 2 };
        string saved = Save(ModelFixture.Folder("nano"), options);
        using Llama4Model model = Llama4Model.Load(ModelFixture.Folder("nano"), options), mapped = Llama4Model.Load(saved, options with { Weights = WeightScheme.Stored, Include = null });
        Assert.Contains(mapped.Matrices, matrix => matrix.Layout == "slabs32");
        Assert.All(mapped.Matrices, matrix => Assert.True(matrix.IsMapped));
        Assert.Equal(ModelRunner.Run(model, s_ids, new RunOptions()).Logits, ModelRunner.Run(mapped, s_ids, new RunOptions()).Logits);
    }

    [Fact]
    public void EverythingElseTravelsAlong()
    {
        string saved = Save(GoldenFiles.SampleModel, new ModelOptions());
        foreach (string name in (string[])["config.json", "generation_config.json", "preprocessor_config.json", "tokenizer.json", "tokenizer.model", "tokenizer_config.json"])
        {
            Assert.True(File.Exists(Path.Combine(saved, name)), name);
        }
        using Llama4Model model = Llama4Model.Load(saved), source = Llama4Model.Load(GoldenFiles.SampleModel);
        Assert.Equal(source.Tokenizer.Encode("Was ist auf dem Bild?"), model.Tokenizer.Encode("Was ist auf dem Bild?"));
        Assert.Equal((source.TileSize, source.MaxTiles, source.TokensPerTile), (model.TileSize, model.MaxTiles, model.TokensPerTile));
        Assert.Equal(Directory.GetFiles(saved).Length - 1, Manifest.Verify(saved));
        Assert.DoesNotContain(Directory.GetFiles(saved), file => file.Contains("journal", StringComparison.Ordinal));
    }

    /// <summary>Shards, and a head that was the embedding, from every kind of files.</summary>
    [Theory]
    [InlineData("gguf")]
    [InlineData("meta")]
    [InlineData("tied")]
    public void EveryKindOfFilesCanBeTheSource(string kind)
    {
        string source = _folder.File("source");
        using var nano = new NanoGguf();
        switch (kind)
        {
            case "gguf":
                source += ".gguf";
                nano.Model().Write(source);
                break;
            case "meta":
                source = GoldenFiles.Path("meta", "tiny-maverick");
                break;
            default:
                Directory.CreateDirectory(source);
                Tie(GoldenFiles.Path("tiny-long"), source);
                break;
        }
        var options = new ModelOptions { Activations = ActivationPrecision.Int8 };
        string saved = Save(source, options, shardBytes: 200_000);
        Assert.True(Directory.GetFiles(saved, "model-*-of-*.safetensors").Length > 2);
        using Llama4Model model = Llama4Model.Load(source, options), mapped = Llama4Model.Load(saved, options);
        Assert.All(mapped.Matrices, matrix => Assert.True(matrix.IsMapped));
        Assert.Equal(ModelRunner.Run(model, s_ids, new RunOptions()).Logits, ModelRunner.Run(mapped, s_ids, new RunOptions()).Logits);
    }

    [Fact]
    public void WhatIsQuantisedAlreadyIsRefused()
    {
        Refuses(GoldenFiles.Path("quantised", "pack-int4-group128"), new ModelOptions(), "is stored quantised");
        Refuses(GoldenFiles.Path("quantised", "mlx-4bit"), new ModelOptions(), "stays as it is");
        Refuses(GoldenFiles.Path("tiny-maverick"), new ModelOptions { Weights = WeightScheme.Int4 }, "multiple of 128");
        Refuses(Save(GoldenFiles.SampleModel, new ModelOptions()), new ModelOptions(), "was saved packed already");

        void Refuses(string path, ModelOptions options, string reason)
        {
            using Checkpoint source = Checkpoint.Open(path);
            Assert.Contains(reason, Assert.Throws<ModelFormatException>(() => ModelQuantiser.Save(source, _folder.File("refused"), options)).Message, StringComparison.Ordinal);
            Assert.False(Path.Exists(_folder.File("refused")) || Path.Exists(_folder.File("refused") + ModelQuantiser.PartialSuffix));
        }
    }

    [Fact]
    public void NothingIsOverwritten()
    {
        using Checkpoint source = Checkpoint.Open(GoldenFiles.Path("tiny-long"));
        _folder.Write("file", "x");
        Assert.Contains("nothing is overwritten", Assert.Throws<IOException>(() => ModelQuantiser.Save(source, _folder.File("file"))).Message, StringComparison.Ordinal);
        // A folder of that name that is none of ours.
        Directory.CreateDirectory(_folder.File("out" + ModelQuantiser.PartialSuffix));
        _folder.Write("out" + ModelQuantiser.PartialSuffix + "/notes.txt", "x");
        Assert.Contains("or delete the folder", Assert.Throws<IOException>(() => ModelQuantiser.Save(source, _folder.File("out"))).Message, StringComparison.Ordinal);
        Assert.Equal("x", File.ReadAllText(_folder.File("out" + ModelQuantiser.PartialSuffix) + "/notes.txt"));
    }

    /// <summary>Stopped after every so many tensors and started again: the bytes of a run that nothing stopped, and none written twice.</summary>
    [Fact]
    public void ARunThatWasStoppedGoesOnWhereItWas()
    {
        var options = new ModelOptions { Weights = WeightScheme.Int4, Include = LinearParts.All };
        string expected = Save(GoldenFiles.SampleModel, options, shardBytes: 1_500_000);
        using Checkpoint source = Checkpoint.Open(GoldenFiles.SampleModel);
        int runs = 0;
        for (int after = 1; ; runs++)
        {
            using var cancel = new CancellationTokenSource();
            int reports = 0;
            var progress = new Each(() => Cancel(cancel, ++reports == after));
            try
            {
                ModelQuantiser.Save(source, _folder.File("stopped"), options, 1_500_000, 1, progress, cancel.Token);
                break;
            }
            catch (OperationCanceledException)
            {
                Assert.False(Directory.Exists(_folder.File("stopped")));
                // What was written counts as done at once.
                after = reports + 9;
            }
        }
        Assert.InRange(runs, 5, 100);
        Same(expected, _folder.File("stopped"));
    }

    [Fact]
    public void AnotherPlanDoesNotGoOnThere()
    {
        using Checkpoint source = Checkpoint.Open(GoldenFiles.SampleModel), other = Checkpoint.Open(GoldenFiles.Path("tiny-scout"));
        Stop(source, new ModelOptions { Weights = WeightScheme.Int4 });
        foreach ((Checkpoint from, ModelOptions options) in new[] { (source, new ModelOptions()), (other, new ModelOptions { Weights = WeightScheme.Int4 }), (source, new ModelOptions { Weights = WeightScheme.Int4, Activations = ActivationPrecision.Float32 }) })
        {
            Assert.Contains("another checkpoint or other options", Assert.Throws<IOException>(() => ModelQuantiser.Save(from, _folder.File("out"), options)).Message, StringComparison.Ordinal);
        }
        string journal = _folder.File("out" + ModelQuantiser.PartialSuffix) + "/" + ResumableShards.JournalName;
        using (new FileStream(journal + ".lock", FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None))
        {
            Assert.Contains("another process", Assert.Throws<IOException>(() => ModelQuantiser.Save(source, _folder.File("out"), new ModelOptions { Weights = WeightScheme.Int4 })).Message, StringComparison.Ordinal);
        }
        File.WriteAllText(journal, "{\"Plan\":3}");
        Assert.Throws<IOException>(() => ModelQuantiser.Save(source, _folder.File("out"), new ModelOptions { Weights = WeightScheme.Int4 }));
    }

    /// <summary>What a power failure may leave: less of the file than the journal says. That file is written anew.</summary>
    [Fact]
    public void BytesThatAreNotThereAreWrittenAgain()
    {
        var options = new ModelOptions { Weights = WeightScheme.Int4 };
        using Checkpoint source = Checkpoint.Open(GoldenFiles.SampleModel);
        Stop(source, options);
        string part = Assert.Single(Directory.GetFiles(_folder.File("out" + ModelQuantiser.PartialSuffix), "*.part"));
        using (FileStream file = File.OpenWrite(part))
        {
            file.SetLength(file.Length / 2);
        }
        ModelQuantiser.Save(source, _folder.File("out"), options, 5_000_000_000, 1, null, CancellationToken.None);
        Same(Save(GoldenFiles.SampleModel, options), _folder.File("out"));
    }

    private void Stop(Checkpoint source, ModelOptions options)
    {
        using var cancel = new CancellationTokenSource();
        int reports = 0;
        Assert.Throws<OperationCanceledException>(() => ModelQuantiser.Save(source, _folder.File("out"), options, 5_000_000_000, 1, new Each(() => Cancel(cancel, ++reports == 12)), cancel.Token));
    }

    private static void Cancel(CancellationTokenSource source, bool now)
    {
        if (now)
        {
            source.Cancel();
        }
    }

    private string Save(string path, ModelOptions options, long shardBytes = 5_000_000_000)
    {
        string folder = _folder.File(Guid.NewGuid().ToString("N"));
        using Checkpoint source = Checkpoint.Open(path);
        ModelQuantiser.Save(source, folder, options, shardBytes, null, null, CancellationToken.None);
        return folder;
    }

    private static void Same(string expected, string actual)
    {
        Assert.Equal(Directory.GetFiles(expected).Select(Path.GetFileName).Order(), Directory.GetFiles(actual).Select(Path.GetFileName).Order());
        Assert.All(Directory.GetFiles(expected), file => Assert.True(File.ReadAllBytes(file).AsSpan().SequenceEqual(File.ReadAllBytes(Path.Combine(actual, Path.GetFileName(file)))), file));
    }

    private static void Tie(string source, string folder)
    {
        foreach (string file in Directory.GetFiles(source))
        {
            File.Copy(file, Path.Combine(folder, Path.GetFileName(file)));
        }
        string path = Path.Combine(folder, "config.json");
        JsonNode config = JsonNode.Parse(File.ReadAllText(path))!;
        config["tie_word_embeddings"] = true;
        File.WriteAllText(path, config.ToJsonString());
        TensorEdits.Apply(Path.Combine(folder, "model.safetensors"), new JsonObject { ["drop"] = @"lm_head\.weight$" });
    }

    private sealed class Each(Action report) : IProgress<LoadProgress>
    {
        public void Report(LoadProgress value) => report();
    }
}
