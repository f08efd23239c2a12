using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Checkpoints;
using Llama4Kernels.Engine.Checkpoints.Conversion;
using Llama4Kernels.Engine.Checkpoints.SafeTensors;
using Llama4Kernels.Engine.Checkpoints.Weights;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Tests.Engine.Checkpoints.Gguf;
using Llama4Kernels.Tests.Engine.Checkpoints.Quantised;
using Llama4Kernels.Tests.Oracles;
using Llama4Kernels.Tests.Tools;

namespace Llama4Kernels.Tests.Engine.Checkpoints;

/// <summary>Converted checkpoints are the published ones: names, shapes, bits.</summary>
public sealed class ConverterTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void MetasFilesBecomeThePublishedOnesBitForBit()
    {
        using (Checkpoint meta = Checkpoint.Open(GoldenFiles.Path("meta", "tiny-maverick")))
        {
            CheckpointConverter.Convert(meta, _folder.File("out"), shardBytes: 1_000_000);
        }
        AssertSameTensors(GoldenFiles.Path("tiny-maverick"), _folder.File("out"));
        Assert.True(Directory.GetFiles(_folder.File("out"), "model-*-of-*.safetensors").Length > 3);
        JsonNode index = JsonNode.Parse(File.ReadAllText(Path.Combine(_folder.File("out"), "model.safetensors.index.json")))!;
        using Checkpoint converted = Checkpoint.Open(_folder.File("out"));
        Assert.Equal(converted.TotalBytes, index["metadata"]!["total_size"]!.GetValue<long>());
        using Checkpoint twin = Checkpoint.Open(GoldenFiles.Path("tiny-maverick"));
        Assert.Equal(twin.Config.Text.LayerKinds, converted.Config.Text.LayerKinds);
        Assert.Equal(twin.Config.Vision, converted.Config.Vision);
        Assert.Equal(twin.Config.Text.EosTokens, converted.Config.Text.EosTokens);
        Assert.Equal(twin.LoadTileOptions(), converted.LoadTileOptions());
    }

    [Fact]
    public async Task AGgufModelWithItsProjectorBecomesTheSampleModelBitForBit()
    {
        using (var nano = new NanoGguf())
        {
            nano.Model().Write(_folder.File("nano.gguf"));
            nano.Projector().Write(_folder.File("mmproj.gguf"));
        }
        CliRun run = await CliRun.Of("convert", _folder.File("nano.gguf"), "--out", _folder.File("out"));
        Assert.Equal((0, ""), (run.ExitCode, run.Error));
        Assert.Contains("from GGUF", run.Out, StringComparison.Ordinal);
        AssertSameTensors(GoldenFiles.SampleModel, _folder.File("out"));
        using Checkpoint converted = Checkpoint.Open(_folder.File("out"));
        Assert.Equal(Llama4Kernels.Engine.Tokenization.Llama4Tokenizer.Load(GoldenFiles.SampleModel).Encode("Was ist auf dem Bild?"), converted.LoadTokenizer()!.Encode("Was ist auf dem Bild?"));
        (await CliRun.Of("convert", _folder.File("nano.gguf"), "--out", _folder.File("out"))).AssertFails("exists and is not empty; nothing is overwritten");
        Assert.Equal(3, Directory.GetFileSystemEntries(_folder.Path).Length);
    }

    [Fact]
    public void Fp8IsDequantisedAndRounded()
    {
        using Checkpoint stored = Checkpoint.Open(GoldenFiles.Path("tiny-fp8"));
        CheckpointConverter.Convert(stored, _folder.File("out"));
        Assert.DoesNotContain("quantization_config", File.ReadAllText(_folder.File("out") + "/config.json"), StringComparison.Ordinal);
        using Checkpoint converted = Checkpoint.Open(_folder.File("out"));
        Assert.All(converted.Tensors, tensor => Assert.Equal("BF16", tensor.Type.Name));
        foreach (WeightRole role in (WeightRole[])[WeightRole.ExpertGate, WeightRole.ExpertUp, WeightRole.ExpertDown])
        {
            Assert.Equal(
                Array.ConvertAll(stored.Weights.Values(stored.Weights[role, 1, 2]), Bf16.Round),
                converted.Weights.Values(converted.Weights[role, 1, 2]));
        }
    }

    /// <summary>From whatever source: every weight is the stored one, rounded to bfloat16 once.</summary>
    [Theory]
    [MemberData(nameof(Sources))]
    public void EverySourcesWeightsAreTheStoredOnesInBfloat16(string source)
    {
        string path = source.Split('/') switch
        {
            ["gguf", string type] => WriteGguf(type),
            ["quantised", string name] => PublishedCheckpointTests.Folder(name),
            string[] names => GoldenFiles.Path(names),
        };
        using Checkpoint stored = Checkpoint.Open(path);
        CheckpointConverter.Convert(stored, _folder.File("out"));
        using Checkpoint converted = Checkpoint.Open(_folder.File("out"));
        Assert.Equal("BF16", Assert.Single(converted.Tensors.Select(tensor => tensor.Type.Name).Distinct()));
        Assert.Equal(stored.Weights.Weights.Count, converted.Weights.Weights.Count);
        foreach (Weight weight in stored.Weights.Weights)
        {
            float[] expected = Array.ConvertAll(stored.Weights.Values(weight), Bf16.Round);
            float[] actual = converted.Weights.Values(converted.Weights[weight.Role, weight.Layer, weight.Expert]);
            Assert.True(MemoryMarshal.AsBytes<float>(expected).SequenceEqual(MemoryMarshal.AsBytes<float>(actual)), $"{weight.Role} of layer {weight.Layer}, expert {weight.Expert}");
        }
    }

    public static TheoryData<string> Sources =>
    [
        .. PublishedCheckpointTests.Names.Select(row => "quantised/" + row.Data), "tiny-fp8", "tiny-flat", "meta/tiny-scout-1", "gguf/F16", "gguf/Q8_0", "gguf/Q4_K",
    ];

    private string WriteGguf(string type)
    {
        string path = _folder.File("source.gguf");
        uint number = type switch { "F16" => 1, "Q8_0" => 8, _ => 12 };
        TinyGguf.Write(path, number, values => GgufBlockEncoder.Encode(type, values), fileType: 0);
        return path;
    }

    [Fact]
    public void FailureAndCancellationLeaveNothingBehind()
    {
        using Checkpoint source = Checkpoint.Open(GoldenFiles.Path("tiny-long"));
        using var cancel = new CancellationTokenSource();
        var progress = new Cancelling(cancel);
        Assert.ThrowsAny<OperationCanceledException>(() => CheckpointConverter.Convert(source, _folder.File("out"), progress: progress, cancellation: cancel.Token));
        Assert.InRange(progress.Reports, 1, 5);
        Assert.Empty(Directory.GetFileSystemEntries(_folder.Path));
        _folder.Write("file", "x");
        Assert.Throws<IOException>(() => CheckpointConverter.Convert(source, _folder.File("file")));
        Directory.CreateDirectory(_folder.File("empty"));
        CheckpointConverter.Convert(source, _folder.File("empty"));
        AssertSameTensors(GoldenFiles.Path("tiny-long"), _folder.File("empty"));
    }

    private static void AssertSameTensors(string expected, string actual)
    {
        using ShardedCheckpoint a = ShardedCheckpoint.Open(expected), b = ShardedCheckpoint.Open(actual);
        Assert.Equal(a.Tensors.Select(tensor => tensor.Name).Order(StringComparer.Ordinal), b.Tensors.Select(tensor => tensor.Name).Order(StringComparer.Ordinal));
        foreach (TensorInfo tensor in a.Tensors)
        {
            Assert.True(a.TryGet(tensor.Name, out SafeTensorsFile? from, out _) & b.TryGet(tensor.Name, out SafeTensorsFile? to, out TensorInfo? written));
            Assert.Equal((tensor.DType, string.Join(",", tensor.Shape)), (written!.DType, string.Join(",", written.Shape)));
            Assert.True(from!.ReadBytes(tensor.Name).AsSpan().SequenceEqual(to!.ReadBytes(tensor.Name)), tensor.Name);
        }
    }

    private sealed class Cancelling(CancellationTokenSource source) : IProgress<LoadProgress>
    {
        public int Reports { get; private set; }

        public void Report(LoadProgress value)
        {
            Reports++;
            source.Cancel();
        }
    }
}
