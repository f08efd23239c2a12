using Llama4Kernels.Engine.Checkpoints.SafeTensors;
using Llama4Kernels.Engine.Diagnostics;
using Llama4Kernels.Engine.Model;

namespace Llama4Kernels.Tests.Engine.Model;

/// <summary>A model golden: inputs, and the reference's logits, routing and continuation.</summary>
internal sealed class GoldenFile : IDisposable
{
    private readonly SafeTensorsFile _file;

    public GoldenFile(string model, string name)
    {
        _file = SafeTensorsFile.Open(GoldenFiles.Path(model, "golden", name + ".safetensors"));
        Ids = Array.ConvertAll(_file.ReadInt64("input_ids"), id => (int)id);
        Logits = _file.ReadFloats("logits");
    }

    public int[] Ids { get; }

    public float[] Logits { get; }

    public int[] Greedy => Has("greedy") ? Array.ConvertAll(_file.ReadInt64("greedy"), id => (int)id) : [];

    public float[] GreedyMargin => Has("greedy_margin") ? Floats("greedy_margin") : [.. Greedy.Select(_ => float.PositiveInfinity)];

    public bool Has(string name) => _file.TryGet(name, out _);

    public float[] Floats(string name) => _file.ReadFloats(name);

    public int[] Ints(string name) => _file.ReadInt32(name);

    public long[] Longs(string name) => _file.ReadInt64(name);

    public RunOptions Options(int vocabulary, bool capture = true)
    {
        int rows = Logits.Length / vocabulary;
        _ = _file.TryGet("pixel_values", out TensorInfo? pixels);
        return new RunOptions
        {
            Positions = Has("positions") ? Array.ConvertAll(Longs("positions"), p => (int)p) : [.. Enumerable.Range(Ids.Length - rows, rows)],
            PixelValues = pixels is null ? null : Bits(pixels),
            Tiles = pixels is null ? 0 : (int)pixels.Shape[0],
            Greedy = Greedy.Length,
            CaptureHidden = capture,
        };
    }

    /// <summary>Asserts logits, top-1, router choices and continuation; returns the error as a share of the range.</summary>
    public double Check(LogitsResult result, Llama4Model model, double tolerance = 1e-5)
    {
        int vocabulary = model.Config.Text.VocabSize;
        double error = Compare.RangeError(result.Logits, Logits);
        Assert.True(error <= tolerance, $"logit error {error:E2} of the range");
        double absolute = error * (Logits.Max() - Logits.Min());
        Assert.Equal(0, Compare.Top1Disagreements(result.Logits, Logits, vocabulary, absolute));
        foreach ((int layer, (int[] experts, float[] scores)) in result.Routers.Where(r => Has($"router.{r.Key}.experts")))
        {
            Assert.Equal(Ints($"router.{layer}.experts"), experts);
            Assert.True(Compare.RangeError(scores, Floats($"router.{layer}.scores")) <= 1e-4, $"router scores of layer {layer}");
        }
        for (int i = 0; i < Greedy.Length && GreedyMargin[i] > 2 * absolute; i++)
        {
            Assert.Equal(Greedy[i], result.Greedy[i]);
        }
        return error;
    }

    public void Dispose() => _file.Dispose();

    private unsafe ushort[] Bits(TensorInfo tensor) =>
        new ReadOnlySpan<ushort>((void*)_file.Address(tensor), checked((int)((tensor.End - tensor.Begin) / 2))).ToArray();
}
