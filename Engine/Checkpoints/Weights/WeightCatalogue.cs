using Llama4Kernels.Engine.Config;
using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Engine.Checkpoints.Weights;

/// <summary>
/// The weights of a model and where its files have them. Validation, loading, conversion and the listing of a checkpoint all
/// read this.
/// </summary>
internal sealed class WeightCatalogue
{
    private readonly Dictionary<(WeightRole, int, int), Weight> _byRole;
    private readonly WeightNaming _naming;
    private readonly ITensorSource _source;
    private readonly StoredForms _forms;

    /// <param name="config">The configuration.</param>
    /// <param name="naming">The files' names.</param>
    /// <param name="source">The files' tensors.</param>
    public WeightCatalogue(ModelConfig config, WeightNaming naming, ITensorSource source)
    {
        _naming = naming;
        _source = source;
        _forms = new StoredForms(config.Quantization);
        Weights = [.. ModelWeights.Of(config, head: !config.TieWordEmbeddings)];
        _byRole = Weights.ToDictionary(weight => (weight.Role, weight.Layer, weight.Expert));
    }

    /// <summary>All weights.</summary>
    public IReadOnlyList<Weight> Weights { get; }

    /// <summary>A weight of the model.</summary>
    /// <exception cref="KeyNotFoundException">The configuration calls for no such weight.</exception>
    public Weight this[WeightRole role, int layer = -1, int expert = -1] => _byRole[(role, layer, expert)];

    /// <summary>A weight as a matrix where it lies; a vector is one row.</summary>
    /// <exception cref="ModelFormatException">A tensor is missing, is stored in a form that is not supported, or its file was truncated.</exception>
    public MatrixSource Open(Weight weight)
    {
        WeightParts parts = _naming.Locate(weight);
        MatrixSource[] sources = [.. parts.Parts.Select(Open)];
        return sources is [MatrixSource only] ? only
            : parts.BesideEachOther ? new ColumnStack(sources)
            : new RowStack(sources);
    }

    /// <summary>A copy of a weight as float32, row by row.</summary>
    /// <exception cref="ModelFormatException">As for <see cref="Open(Weight)"/>.</exception>
    public float[] Values(Weight weight)
    {
        MatrixSource source = Open(weight);
        float[] values = new float[checked(weight.Rows * weight.Columns)];
        for (int row = 0; row < weight.Rows; row++)
        {
            source.ReadRow(row, values.AsSpan(row * weight.Columns, weight.Columns));
        }
        GiveBack(source);
        return values;
    }

    /// <summary>Lets the operating system take back the pages of a matrix that was read; it may be read again.</summary>
    public void GiveBack(MatrixSource matrix)
    {
        foreach ((nint address, long bytes) in matrix.Extents)
        {
            _source.GiveBack(address, bytes);
        }
    }

    private MatrixSource Open(WeightPart part) => _forms.Find(_source, part.Tensor) is { } form
        ? form.Open(_source, part)
        : throw new ModelFormatException(_source.Location, part.Tensor, "there is no such tensor, or none of a supported type.");
}
