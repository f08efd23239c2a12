using Llama4Kernels.Engine.Checkpoints.Quantised;
using Llama4Kernels.Engine.Config;

namespace Llama4Kernels.Engine.Checkpoints.Weights;

/// <summary>Compares a checkpoint's tensors with those that its configuration calls for.</summary>
internal static class WeightValidator
{
    private const string ReadableBlocks = "F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q2_K to Q6_K (with _S, _M and _L), IQ4_NL, IQ4_XS, MXFP4";

    /// <summary>Checks names, shapes, types and scales.</summary>
    /// <param name="config">The configuration; without vision, tensors of a vision tower are left alone.</param>
    /// <param name="naming">The files' names.</param>
    /// <param name="source">The files' tensors.</param>
    /// <returns>Things that are suspicious but not wrong, in sentences for a person.</returns>
    /// <exception cref="ModelFormatException">There are faults; the message lists them.</exception>
    public static IReadOnlyList<string> Validate(ModelConfig config, WeightNaming naming, ITensorSource source)
    {
        var report = new TensorReport(source, naming);
        var forms = new StoredForms(config.Quantization);
        Weight? head = null, embedding = null;
        // A tied head is often stored all the same; then it has to be the embedding.
        foreach (Weight weight in ModelWeights.Of(config, head: true))
        {
            WeightParts parts = naming.Locate(weight);
            if (weight.Role == WeightRole.OutputHead && config.TieWordEmbeddings && forms.Find(source, parts.Parts[0].Tensor) is null)
            {
                continue;
            }
            head = weight.Role == WeightRole.OutputHead ? weight : head;
            embedding = weight.Role == WeightRole.Embedding ? weight : embedding;
            foreach (WeightPart part in parts.Parts)
            {
                Check(config, forms, source, weight, part, parts.Parts[0].Tensor, report);
            }
            CheckCopies(forms, source, parts, report);
        }
        foreach (StoredTensor tensor in source.Tensors)
        {
            bool unwanted = config.Vision is null && naming.IsVision(tensor.Name);
            if (!report.Knows(tensor.Name) && !unwanted && !naming.Ignores(tensor.Name))
            {
                report.Fault(tensor.Name, $"the model of this configuration has no such tensor ({tensor.Type} {tensor.ShapeText}).");
            }
        }
        if (report.Count == 0 && config.TieWordEmbeddings && head is not null)
        {
            CheckTiedHead(config, naming, source, head, embedding!, report);
        }
        if (report.Count > 0)
        {
            throw report.ToException(source.Location);
        }
        List<string> warnings = [];
        if (report.Unlisted.Count > 0)
        {
            warnings.Add($"quantization_config does not exempt {report.Unlisted.Count} weights that are stored unquantised, the first is {report.Unlisted[0]}. They are used as stored.");
        }
        if (report.Differing.Count > 0)
        {
            warnings.Add($"{report.Differing.Count} tensors differ from those of the first file, though all files hold them alike; the first is {report.Differing[0]}. Is that file of another model?");
        }
        return warnings;
    }

    private static void Check(ModelConfig config, StoredForms forms, ITensorSource source, Weight weight, WeightPart part, string first, TensorReport report)
    {
        if (!report.Know(part.Tensor))
        {
            return;
        }
        if (forms.Find(source, part.Tensor) is not { } form)
        {
            report.Fault(part.Tensor, source.TryGet(part.Tensor, out StoredTensor? other)
                ? other.Type.BlockElements >= 32
                    ? $"is {other.Type}, a block type that this engine does not read; download the model in one of {ReadableBlocks}."
                    : $"is {other.Type}, expected F32, BF16 or F16{(weight.IsLinear ? " or F8_E4M3, or integers with scales" : "")}."
                : $"missing, expected [{string.Join(", ", part.Shape)}].");
            return;
        }
        if (source.TryGet(part.Tensor, out StoredTensor? tensor))
        {
            if (form.KeepsShape)
            {
                CheckShape(weight, part, tensor, report);
            }
            // What is joined is stored alike: a part of another type is from another download.
            if (source.TryGet(first, out StoredTensor? sibling) && sibling.Type != tensor.Type)
            {
                report.Fault(tensor.Name, $"is {tensor.Type}, but {sibling.Name} is {sibling.Type}: they are parts of one weight.");
            }
            if (tensor.Type.IsPlain && weight.IsLinear && config.Quantization is { } quantization && quantization.Covers(Modules.Of(part.Tensor)))
            {
                report.Unlisted.Add(part.Tensor);
            }
        }
        form.Check(source, part, weight, report);
    }

    // A vector is compared bit for bit, matrices would be read twice.
    private static void CheckCopies(StoredForms forms, ITensorSource source, WeightParts parts, TensorReport report)
    {
        WeightPart part = parts.Parts[0];
        foreach (string name in parts.Copies)
        {
            report.Know(name);
            if (!source.TryGet(name, out StoredTensor? copy) || !source.TryGet(part.Tensor, out StoredTensor? first))
            {
                continue;
            }
            if (copy.Type != first.Type || !copy.Shape.SequenceEqual(first.Shape))
            {
                report.Fault(name, $"is {copy.Type} {copy.ShapeText}, but {first.Name} is {first.Type} {first.ShapeText}: all files hold it alike.");
            }
            else if (copy.Shape.Count == 1 && part.Shape.SequenceEqual(copy.Shape) && forms.Find(source, name) is { } form && !TensorValues.Equal(form.Open(source, part), form.Open(source, part with { Tensor = name })))
            {
                report.Differing.Add(name);
            }
        }
    }

    private static void CheckShape(Weight weight, WeightPart part, StoredTensor tensor, TensorReport report)
    {
        if (part.Shape.SequenceEqual(tensor.Shape))
        {
            return;
        }
        bool rows = weight.Role == WeightRole.Embedding && tensor.Shape.Count == 2 && tensor.Shape[0] != part.Shape[0];
        report.Fault(tensor.Name, rows
            ? $"has {tensor.Shape[0]} rows, but vocab_size is {weight.Rows}."
            : $"has shape {tensor.ShapeText}, expected [{string.Join(", ", part.Shape)}].");
    }

    // Which of two heads a tied checkpoint means cannot be known, unless they are the same.
    private static void CheckTiedHead(ModelConfig config, WeightNaming naming, ITensorSource source, Weight head, Weight embedding, TensorReport report)
    {
        var catalogue = new WeightCatalogue(config with { TieWordEmbeddings = false }, naming, source);
        if (!TensorValues.Equal(catalogue.Open(head), catalogue.Open(embedding)))
        {
            report.Fault(naming.Locate(head).Parts[0].Tensor, "differs from the embedding, but tie_word_embeddings says that they are one. Set it to false to use this head, or delete the tensor.");
        }
    }
}
