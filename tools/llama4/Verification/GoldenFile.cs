using System.Globalization;
using System.Runtime.InteropServices;
using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Checkpoints.SafeTensors;
using Llama4Kernels.Engine.Diagnostics;
using Llama4Kernels.Engine.Model;

namespace Llama4Kernels.Cli.Verification;

/// <summary>A file of reference values: inputs, logits and whatever intermediate values it has.</summary>
internal sealed class GoldenFile : IDisposable
{
    private readonly SafeTensorsFile _file;

    /// <exception cref="ModelFormatException">It is no safetensors file, or has no inputs or logits.</exception>
    public GoldenFile(string path)
    {
        _file = SafeTensorsFile.Open(path);
        try
        {
            Ids = ReadIds("input_ids");
            Logits = _file.ReadFloats("logits");
        }
        catch
        {
            _file.Dispose();
            throw;
        }
    }

    public string Name => Path.GetFileName(_file.Path);

    /// <summary>
    /// What the reference made of its weights on loading. Stored FP8 weights have the kind too, but no scheme: they are the
    /// checkpoint's own values.
    /// </summary>
    /// <exception cref="ModelFormatException">The file names a scheme of an unknown kind.</exception>
    public WeightScheme Weights => !_file.Metadata.ContainsKey("scheme") ? WeightScheme.Stored
        : _file.Metadata.GetValueOrDefault("kind") switch
        {
            "int4" => WeightScheme.Int4,
            "fp8" => WeightScheme.Fp8,
            var kind => throw new ModelFormatException(_file.Path, "kind", $"is '{kind}', but the file has a quantisation scheme; int4 and fp8 are known."),
        };

    public int[] Ids { get; }

    /// <summary>[rows, V]</summary>
    public float[] Logits { get; }

    public int[] Greedy => Has("greedy") ? ReadIds("greedy") : [];

    /// <summary>For each greedy step the distance of the two best logits, or one bound for all of them.</summary>
    public float GreedyMargin(int step) =>
        Has("greedy_margin") ? _file.ReadFloats("greedy_margin")[step]
        : _file.Metadata.TryGetValue("min_margin", out string? bound) ? float.Parse(bound, CultureInfo.InvariantCulture)
        : 0;

    public bool Has(string name) => _file.TryGet(name, out _);

    public float[] Floats(string name) => _file.ReadFloats(name);

    public int[] Integers(string name) => _file.ReadInt32(name);

    /// <summary>Positions of the logit rows.</summary>
    public int[] Positions(int vocabulary)
    {
        if (Logits.Length % vocabulary != 0 || Logits.Length / vocabulary > Ids.Length)
        {
            throw new ModelFormatException(_file.Path, "logits", $"has {Logits.Length} values, which do not fit {Ids.Length} ids and the model's vocabulary of {vocabulary}; is it another model's file?");
        }
        int rows = Logits.Length / vocabulary;
        return Has("positions") ? ReadIds("positions") : [.. Enumerable.Range(Ids.Length - rows, rows)];
    }

    /// <summary>What to run for the comparison.</summary>
    public RunOptions Options(int vocabulary, int prefillChunk)
    {
        bool pixels = _file.TryGet("pixel_values", out TensorInfo? tensor);
        return new RunOptions
        {
            Positions = Positions(vocabulary),
            PixelValues = pixels ? MemoryMarshal.Cast<byte, ushort>(_file.ReadBytes("pixel_values")).ToArray() : null,
            Tiles = pixels ? (int)tensor!.Shape[0] : 0,
            PrefillChunk = prefillChunk,
            Greedy = Greedy.Length,
            CaptureHidden = true,
        };
    }

    public void Dispose() => _file.Dispose();

    private int[] ReadIds(string name) => Array.ConvertAll(_file.ReadInt64(name), id => checked((int)id));
}
