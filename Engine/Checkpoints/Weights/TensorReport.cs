using System.Text;

namespace Llama4Kernels.Engine.Checkpoints.Weights;

/// <summary>Collects what is wrong with a checkpoint's tensors, so that a person reads it all at once.</summary>
internal sealed class TensorReport
{
    private const int MaxReported = 200;
    private readonly List<string> _faults = [];
    private readonly HashSet<string> _known = new(StringComparer.Ordinal);

    /// <summary>Weights that the quantisation's configuration does not exempt and that are stored unquantised.</summary>
    public List<string> Unlisted { get; } = [];

    /// <summary>Number of faults.</summary>
    public int Count => _faults.Count;

    /// <summary>Says that a tensor belongs to the model; false if that was said before.</summary>
    public bool Know(string tensor) => _known.Add(tensor);

    /// <summary>Whether a tensor was said to belong to the model.</summary>
    public bool Knows(string tensor) => _known.Contains(tensor);

    /// <summary>Adds a fault.</summary>
    public void Fault(string tensor, string reason) => _faults.Add($"{tensor}: {reason}");

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
}
