using System.Text;
using Llama4Kernels.Engine.Checkpoints.SafeTensors;
using Llama4Kernels.Engine.Config;

namespace Llama4Kernels.Engine.Checkpoints;

/// <summary>Compares a checkpoint's tensors with those that its configuration calls for.</summary>
public static class CheckpointValidator
{
    private const int MaxReported = 200;
    private const string ScaleSuffix = "_scale";

    // Written by some tools, needed by none: rotary tables, and scales of activations and caches that are computed anew.
    private static readonly string[] s_ignorable =
        ["rotary_emb.inv_freq", "rotary_embedding.freqs_ci", ".input_scale", ".input_scale_ub", ".k_scale", ".v_scale"];

    /// <summary>Checks names, shapes, types and scales.</summary>
    /// <param name="config">The configuration; without vision, tensors of a vision tower are left alone.</param>
    /// <param name="prefix">What the names of text tensors begin with.</param>
    /// <param name="files">The tensors.</param>
    /// <returns>Things that are suspicious but not wrong, in sentences for a person.</returns>
    /// <exception cref="ModelFormatException">There are faults; the message lists them, one on a line (at most 200), with their number.</exception>
    public static IReadOnlyList<string> Validate(ModelConfig config, string prefix, ShardedCheckpoint files)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(files);
        List<string> faults = [];
        List<string> unlisted = [];
        HashSet<string> known = new(StringComparer.Ordinal);
        foreach (ExpectedTensor expected in ExpectedTensors.For(config, prefix, name => files.TryGet(name, out _, out _)))
        {
            known.Add(expected.Name);
            if (!files.TryGet(expected.Name, out _, out TensorInfo? tensor))
            {
                faults.Add($"{expected.Name}: missing, expected {expected.ShapeText}.");
                continue;
            }
            CheckTensor(expected, tensor, faults);
            if (tensor.DType == SafeTensorsType.F8_E4M3 && expected.IsLinear)
            {
                known.Add(expected.Name + ScaleSuffix);
                CheckScale(files, tensor, expected, faults);
            }
            else if (expected.IsLinear && config.Quantization is { } quantization && !quantization.Ignores(ModuleOf(expected.Name)))
            {
                unlisted.Add(expected.Name);
            }
        }
        foreach (TensorInfo tensor in files.Tensors)
        {
            bool unwanted = config.Vision is null && ExpectedTensors.IsVision(tensor.Name);
            if (!known.Contains(tensor.Name) && !unwanted && !Array.Exists(s_ignorable, end => tensor.Name.EndsWith(end, StringComparison.Ordinal)))
            {
                faults.Add($"{tensor.Name}: the model of this configuration has no such tensor ({tensor.DType} {tensor.ShapeText}).");
            }
        }
        if (faults.Count == 0 && config.TieWordEmbeddings)
        {
            CheckTiedHead(files, prefix, faults);
        }
        if (faults.Count > 0)
        {
            throw Report(files.Folder, faults);
        }
        return unlisted.Count == 0
            ? []
            : [$"quantization_config does not exempt {unlisted.Count} weights that are stored unquantised, the first is {unlisted[0]}. They are used as stored."];
    }

    private static void CheckTensor(ExpectedTensor expected, TensorInfo tensor, List<string> faults)
    {
        if (!expected.Shape.SequenceEqual(tensor.Shape))
        {
            bool rows = expected.Name.EndsWith("embed_tokens.weight", StringComparison.Ordinal) && tensor.Shape.Count == 2 && tensor.Shape[0] != expected.Shape[0];
            faults.Add(rows
                ? $"{tensor.Name}: has {tensor.Shape[0]} rows, but vocab_size is {expected.Shape[0]}."
                : $"{tensor.Name}: has shape {tensor.ShapeText}, expected {expected.ShapeText}.");
        }
        if (!expected.Allows(tensor.DType))
        {
            faults.Add($"{tensor.Name}: is {tensor.DType}, expected F32, BF16 or F16{(expected.IsLinear ? " or F8_E4M3" : "")}.");
        }
    }

    // The fused experts are no modules of their own: their names have no ".weight".
    private static string ModuleOf(string name) => name.EndsWith(".weight", StringComparison.Ordinal) ? name[..^".weight".Length] : name;

    // Which of two heads a tied checkpoint means cannot be known, unless they are the same.
    private static void CheckTiedHead(ShardedCheckpoint files, string prefix, List<string> faults)
    {
        string name = prefix + "lm_head.weight";
        if (!files.TryGet(name, out SafeTensorsFile? headFile, out TensorInfo? head)
            || !files.TryGet(prefix + "model.embed_tokens.weight", out SafeTensorsFile? file, out TensorInfo? embedding))
        {
            return;
        }
        if (!TensorValues.Equal(headFile, head, file, embedding))
        {
            faults.Add($"{name}: differs from the embedding, but tie_word_embeddings says that they are one. Set it to false to use this head, or delete the tensor.");
        }
    }

    private static void CheckScale(ShardedCheckpoint files, TensorInfo weight, ExpectedTensor expected, List<string> faults)
    {
        string name = weight.Name + ScaleSuffix;
        if (!files.TryGet(name, out SafeTensorsFile? file, out TensorInfo? scale))
        {
            faults.Add($"{name}: missing, but {weight.Name} is F8_E4M3 and needs it.");
            return;
        }
        if (scale.DType is not (SafeTensorsType.F32 or SafeTensorsType.BF16 or SafeTensorsType.F16))
        {
            faults.Add($"{name}: is {scale.DType}, expected F32, BF16 or F16.");
            return;
        }
        if (!expected.AllowsScale(scale.Shape))
        {
            faults.Add($"{name}: has shape {scale.ShapeText}, expected one scale per row, {expected.ScaleShapesText}.");
            return;
        }
        float[] values = file.ReadFloats(name);
        int bad = Array.FindIndex(values, value => !float.IsFinite(value) || value <= 0);
        if (bad >= 0)
        {
            faults.Add($"{name}: the scale of row {bad} is {values[bad]}, it must be positive and finite.");
        }
    }

    private static ModelFormatException Report(string folder, List<string> faults)
    {
        StringBuilder text = new($"{faults.Count} {(faults.Count == 1 ? "tensor fault" : "tensor faults")}:");
        foreach (string fault in faults.Take(MaxReported))
        {
            text.Append("\n  ").Append(fault);
        }
        if (faults.Count > MaxReported)
        {
            text.Append($"\n  and {faults.Count - MaxReported} more.");
        }
        return new ModelFormatException(folder, "tensors", text.ToString());
    }
}
