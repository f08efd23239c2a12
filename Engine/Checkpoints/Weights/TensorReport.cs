using System.Text;

namespace Llama4Kernels.Engine.Checkpoints.Weights;

/// <summary>Collects what is wrong with a checkpoint's tensors, so that a person reads it all at once.</summary>
/// <param name="source">The files' tensors; where there are several files, a fault names its own.</param>
/// <param name="naming">The files' names.</param>
internal sealed class TensorReport(ITensorSource source, WeightNaming naming)
{
    private const int MaxReported = 200;
    private readonly bool _hasSeveralFiles = source.Tensors.Select(tensor => tensor.File).Distinct().Take(2).Count() > 1;
    private readonly List<string> _faults = [];
    private readonly HashSet<string> _known = new(StringComparer.Ordinal);

    /// <summary>Weights that the quantisation's configuration does not exempt and that are stored unquantised.</summary>
    public List<string> Unlisted { get; } = [];

    /// <summary>Tensors that should be copies of others, and are not.</summary>
    public List<string> Differing { get; } = [];

    /// <summary>Number of faults.</summary>
    public int Count => _faults.Count;

    /// <summary>Says that a tensor belongs to the model; false if that was said before.</summary>
    public bool Know(string tensor) => _known.Add(tensor);

    /// <summary>Whether a tensor was said to belong to the model.</summary>
    public bool Knows(string tensor) => _known.Contains(tensor);

    /// <summary>Adds a fault.</summary>
    public void Fault(string tensor, string reason) => _faults.Add($"{tensor}{Place(tensor)}: {reason}");

    /// <summary>All faults as one error, one on a line (at most 200), with their number.</summary>
    public ModelFormatException ToException(string location)
    {
        StringBuilder text = new($"{_faults.Count} {(_faults.Count == 1 ? "tensor fault" : "tensor faults")}:");
        foreach (string fault in _faults.Take(MaxReported))
        {
            text.Append("\n  ").Append(fault);
        }
        if (_faults.Count > MaxReported)
        {
            text.Append($"\n  and {_faults.Count - MaxReported} more.");
        }
        return new ModelFormatException(location, "tensors", text.ToString());
    }

    // A missing tensor of the vision tower belongs where the others are, if that is one file.
    private string Place(string tensor)
    {
        if (!_hasSeveralFiles)
        {
            return "";
        }
        string[] files = source.TryGet(tensor, out StoredTensor? own) ? [own.File]
            : naming.IsVision(tensor) ? [.. source.Tensors.Where(other => naming.IsVision(other.Name)).Select(other => other.File).Distinct().Take(2)]
            : [];
        return files is [string only] && Path.GetFileName(only) is var name && !tensor.Contains(name, StringComparison.Ordinal) ? $" [{name}]" : "";
    }
}
