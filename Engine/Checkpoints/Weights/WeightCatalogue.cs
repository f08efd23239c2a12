using Llama4Kernels.Engine.Config;
using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Engine.Checkpoints.Weights;

/// <summary>
/// The weights of a model and where its files have them. Validation, loading, conversion and the listing of a checkpoint all
/// read this.
/// </summary>
internal sealed class WeightCatalogue
{
    private const string Others = "norms and others";

    private readonly Dictionary<(WeightRole, int, int), Weight> _byRole;
    private readonly WeightNaming _naming;
    private readonly ITensorSource _source;
    private readonly StoredForms _forms;
    private Dictionary<string, string>? _groups;

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

    /// <summary>The part of the model that a tensor, or a companion of one, belongs to.</summary>
    public string GroupOf(string tensor)
    {
        _groups ??= Groups();
        int dot = tensor.LastIndexOf('.');
        return _groups.TryGetValue(tensor, out string? group) || (dot > 0 && _groups.TryGetValue(tensor[..dot], out group)) ? group : Others;
    }

    /// <summary>Lets the operating system take back the pages of a matrix that was read; it may be read again.</summary>
    public void GiveBack(MatrixSource matrix)
    {
        foreach ((nint address, long bytes) in matrix.Extents)
        {
            _source.GiveBack(address, bytes);
        }
    }

    // By tensor, and by module for the companions that hold scales.
    private Dictionary<string, string> Groups()
    {
        Dictionary<string, string> groups = new(StringComparer.Ordinal);
        foreach (Weight weight in Weights)
        {
            foreach (string tensor in _naming.Locate(weight).Parts.Select(part => part.Tensor))
            {
                groups.TryAdd(tensor, GroupOf(weight));
                if (weight.IsLinear && tensor.LastIndexOf('.') is > 0 and var dot)
                {
                    groups.TryAdd(tensor[..dot], GroupOf(weight));
                }
            }
        }
        return groups;
    }

    private static string GroupOf(Weight weight) => weight switch
    {
        { IsVision: true } => "vision",
        { Expert: >= 0 } => "routed experts",
        { Role: WeightRole.SharedGate or WeightRole.SharedUp or WeightRole.SharedDown } => "shared experts",
        { Role: WeightRole.Router } => "routers",
        { Role: WeightRole.Gate or WeightRole.Up or WeightRole.Down } => "dense feed-forward",
        { Role: >= WeightRole.Query and <= WeightRole.AttentionOutputBias } => "attention",
        { Role: WeightRole.Embedding } => "embedding",
        { Role: WeightRole.OutputHead } => "output head",
        _ => Others,
    };

    private MatrixSource Open(WeightPart part) => _forms.Find(_source, part.Tensor) is { } form
        ? form.Open(_source, part)
        : throw new ModelFormatException(_source.Location, part.Tensor, "there is no such tensor, or none of a supported type.");
}
