using System.Runtime.InteropServices;
using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Checkpoints.SafeTensors;
using Llama4Kernels.Engine.Diagnostics;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Tests.Engine.Model;
using Llama4Kernels.Tests.Tools;

namespace Llama4Kernels.Tests.Engine.Diagnostics;

/// <summary>A comparison finds what is wrong, whichever value it is, and a file that says what cannot be is an error.</summary>
[Collection(nameof(ModelCollection))]
public sealed class ReferenceComparisonTests(ModelFixture models) : IDisposable
{
    private const string Golden = "text-40";
    private readonly ScratchFolder _scratch = new();

    private Llama4Model Model => models.Get("tiny-scout");

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public void WhatTheReferenceHasIsJudged()
    {
        using ReferenceFile reference = References.Open("tiny-scout", Golden);
        ReferenceReport report = ReferenceComparison.Run(Model, reference);
        Assert.True(report.Passed, report.ToString());
        Assert.Equal((40, 40, null, 0), (report.Rows, report.SameTop1, report.FirstDifference, report.RouterDifferences));
        Assert.Equal(40 * Model.Config.Text.Layers * Model.Config.Text.ExpertsPerToken, report.RouterChoices);
        Assert.Equal((reference.Greedy.Length, null), (report.Greedy, report.GreedyDifference));
        Assert.False(ReferenceComparison.Run(Model, reference, new ReferenceOptions { Tolerance = 1e-12 }).Passed);
    }

    [Theory]
    [InlineData("logits", "logits")]
    [InlineData("hidden.0", "hidden.0")]
    [InlineData("hidden.2", "hidden.2")]
    [InlineData("hidden.final", "hidden.final")]
    [InlineData("attention.1", "attention.1")]
    [InlineData("router.1.experts", "router.1")]
    [InlineData("router.1.scores", "router.1.scores")]
    [InlineData("greedy", null)]
    public void OneWrongValueIsFoundAndNamed(string tensor, string? stage)
    {
        using ReferenceFile reference = Changed(tensor, (entry, bytes) =>
        {
            switch (entry.DType)
            {
                case SafeTensorsType.F32:
                    MemoryMarshal.Cast<byte, float>(bytes.AsSpan())[7] += 0.5f;
                    break;
                case SafeTensorsType.I32:
                    MemoryMarshal.Cast<byte, int>(bytes.AsSpan())[7] ^= 1;
                    break;
                default:
                    MemoryMarshal.Cast<byte, long>(bytes.AsSpan())[1] ^= 1;
                    break;
            }
        });
        ReferenceReport report = ReferenceComparison.Run(Model, reference);
        Assert.False(report.Passed);
        Assert.Equal(stage, report.FirstDifference);
        Assert.Equal(tensor == "greedy" ? 1 : null, report.GreedyDifference);
    }

    [Fact]
    public void OtherWeightsAreSkippedAndWhy()
    {
        using ReferenceFile reference = References.Open("tiny-scout", "int4");
        ReferenceReport report = ReferenceComparison.Run(Model, reference);
        Assert.Equal("the reference has its weights in int4, the model was loaded with them as stored", report.Skipped);
        using ReferenceFile foreign = References.Open("tiny-scout", Golden);
        Assert.Throws<ModelFormatException>(() => foreign.Options(Model.Config.Text.VocabSize + 1));
        Assert.Throws<ArgumentException>(() => new ReferenceOptions { Tolerance = double.NaN });
        Assert.Throws<ArgumentException>(() => new DivergenceBound { MedianKl = -1 });
    }

    [Theory]
    [InlineData("input_ids", -5)]
    [InlineData("input_ids", 1L << 40)]
    [InlineData("greedy", -1)]
    public void IdsThatCannotBeAreTheFilesFault(string tensor, long id)
    {
        ModelFormatException error = Assert.Throws<ModelFormatException>(() => Changed(tensor, (_, bytes) => MemoryMarshal.Cast<byte, long>(bytes.AsSpan())[0] = id));
        Assert.Equal(tensor, error.Field);
    }

    private ReferenceFile Changed(string tensor, Action<TensorInfo, byte[]> change)
    {
        string path = _scratch.Path(tensor + ".safetensors");
        using (SafeTensorsFile file = SafeTensorsFile.Open(GoldenFiles.Path("tiny-scout", "golden", Golden + ".safetensors")))
        {
            SafeTensorsWriter.Write(path, [.. file.Tensors.Select(entry =>
            {
                byte[] bytes = file.ReadBytes(entry.Name);
                if (entry.Name == tensor)
                {
                    change(entry, bytes);
                }
                return SafeTensorsEntry.FromBytes(entry.Name, entry.DType, [.. entry.Shape], bytes);
            })]);
        }
        return ReferenceFile.Open(path);
    }
}
