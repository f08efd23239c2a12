using System.Globalization;
using System.Runtime.InteropServices;
using Llama4Kernels.Engine.Checkpoints.SafeTensors;
using Llama4Kernels.Engine.Model;

namespace Llama4Kernels.Engine.Diagnostics;

/// <summary>
/// A safetensors file of reference values, such as <c>tools/reference/make_reference.py</c> writes: <c>input_ids</c> [N] and
/// <c>logits</c> [rows, V], and whatever else it has of <c>positions</c> [rows] (without: the last ones), <c>pixel_values</c>
/// [tiles, 3, S, S] in bf16, <c>hidden.L</c>, <c>hidden.final</c> and <c>attention.L</c> [N or rows, D],
/// <c>router.L.experts</c> and <c>router.L.scores</c> [N, k], <c>vision.*</c>, <c>greedy</c> and <c>greedy_margin</c> [n].
/// </summary>
public sealed class ReferenceFile : IDisposable
{
    private readonly SafeTensorsFile _file;

    private ReferenceFile(SafeTensorsFile file)
    {
        _file = file;
        Ids = ReadIds("input_ids");
        Logits = file.ReadFloats("logits");
        Greedy = Has("greedy") ? ReadIds("greedy") : [];
        Margins = ReadMargins();
        Weights = ReadScheme();
    }

    /// <summary>Opens a file.</summary>
    /// <exception cref="Llama4Exception"><see cref="Llama4Error.ModelFormat"/>: It is no safetensors file, has no inputs or logits, or says what cannot be.</exception>
    public static ReferenceFile Open(string path)
    {
        SafeTensorsFile file = SafeTensorsFile.Open(path);
        try
        {
            return new ReferenceFile(file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>The file's name without its folder.</summary>
    public string Name => Path.GetFileName(_file.Path);

    /// <summary>
    /// What the reference made of its weights on loading. Stored FP8 weights have the kind too, but no scheme: they are the
    /// checkpoint's own values.
    /// </summary>
    public WeightScheme Weights { get; }

    /// <summary>The input [N].</summary>
    internal int[] Ids { get; }

    /// <summary>[rows, V]</summary>
    internal float[] Logits { get; }

    /// <summary>The continuation by the largest logit; empty if the file has none.</summary>
    internal int[] Greedy { get; }

    /// <summary>
    /// For each token of <see cref="Greedy"/> the distance of the two best logits, or a bound for all of them; infinite if the file
    /// says nothing, so that each token counts.
    /// </summary>
    internal IReadOnlyList<float> Margins { get; }

    /// <summary>Whether the file has a tensor.</summary>
    internal bool Has(string name) => _file.TryGet(name, out _);

    /// <summary>A tensor of BF16, F16 or F32, widened.</summary>
    /// <exception cref="Llama4Exception"><see cref="Llama4Error.ModelFormat"/>: There is none, or it has another type.</exception>
    internal float[] Floats(string name) => _file.ReadFloats(name);

    /// <summary>A tensor of I32.</summary>
    /// <exception cref="Llama4Exception"><see cref="Llama4Error.ModelFormat"/>: There is none, or it has another type.</exception>
    internal int[] Integers(string name) => _file.ReadInt32(name);

    /// <summary>What to run for the comparison.</summary>
    /// <param name="vocabulary">V.</param>
    /// <param name="capture">Keep the intermediate values.</param>
    /// <exception cref="Llama4Exception"><see cref="Llama4Error.ModelFormat"/>: Logits, positions or pixels do not fit each other or the vocabulary.</exception>
    internal RunOptions Options(int vocabulary, bool capture = true)
    {
        bool pixels = _file.TryGet("pixel_values", out TensorInfo? tensor);
        if (pixels && (tensor!.DType != SafeTensorsType.BF16 || tensor.Shape.Count != 4))
        {
            throw new ModelFormatException(_file.Path, "pixel_values", $"is {tensor.DType} with {tensor.Shape.Count} dimensions; BF16 [tiles, 3, S, S] is needed.");
        }
        return new RunOptions
        {
            Positions = Positions(vocabulary),
            PixelValues = pixels ? MemoryMarshal.Cast<byte, ushort>(_file.ReadBytes("pixel_values")).ToArray() : null,
            Tiles = pixels ? checked((int)tensor!.Shape[0]) : 0,
            Greedy = Greedy.Length,
            CaptureHidden = capture,
        };
    }

    /// <summary>Positions of the logit rows.</summary>
    internal int[] Positions(int vocabulary)
    {
        int rows = Logits.Length / vocabulary;
        if (rows == 0 || Logits.Length % vocabulary != 0 || rows > Ids.Length)
        {
            throw new ModelFormatException(_file.Path, "logits", $"has {Logits.Length} values, which do not fit {Ids.Length} ids and the model's vocabulary of {vocabulary}; is it another model's file?");
        }
        int[] positions = Has("positions") ? ReadIds("positions") : [.. Enumerable.Range(Ids.Length - rows, rows)];
        return positions.Length == rows
            ? positions
            : throw new ModelFormatException(_file.Path, "positions", $"names {positions.Length} positions for {rows} rows of logits.");
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    private float[] ReadMargins()
    {
        if (Has("greedy_margin"))
        {
            float[] margins = _file.ReadFloats("greedy_margin");
            return margins.Length == Greedy.Length
                ? margins
                : throw new ModelFormatException(_file.Path, "greedy_margin", $"has {margins.Length} values for {Greedy.Length} tokens.");
        }
        float bound = float.PositiveInfinity;
        if (_file.Metadata.TryGetValue("min_margin", out string? text) && !float.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out bound))
        {
            throw new ModelFormatException(_file.Path, "min_margin", $"'{text}' is no number.");
        }
        return [.. Enumerable.Repeat(bound, Greedy.Length)];
    }

    private WeightScheme ReadScheme() => !_file.Metadata.ContainsKey("scheme") ? WeightScheme.Stored
        : _file.Metadata.GetValueOrDefault("kind") switch
        {
            "int4" => WeightScheme.Int4,
            "fp8" => WeightScheme.Fp8,
            var kind => throw new ModelFormatException(_file.Path, "kind", $"is '{kind}', but the file has a quantisation scheme; int4 and fp8 are known."),
        };

    private int[] ReadIds(string name) => Array.ConvertAll(
        _file.ReadInt64(name),
        id => id is >= 0 and <= int.MaxValue ? (int)id : throw new ModelFormatException(_file.Path, name, $"{id} is out of range."));
}
