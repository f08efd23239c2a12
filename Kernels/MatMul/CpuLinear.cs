using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>Matrices and products on the host: packs a matrix for the record that will read it, and takes that for each product.</summary>
internal sealed unsafe class CpuLinear : IDisposable
{
    /// <summary>Weight bytes times tokens that make an item worth handing out.</summary>
    private const long ItemBytes = 64 << 10;

    private readonly CpuProducts _products;
    private readonly CpuWorkspace _workspace;
    private readonly CpuScratch _parts = new();

    /// <param name="team">Shares the panels out.</param>
    /// <param name="activations">What products may make of their activations.</param>
    /// <param name="forced">A record to be taken wherever it can be, by name; null takes the best.</param>
    /// <exception cref="ArgumentException">There is no record of that name.</exception>
    /// <exception cref="PlatformNotSupportedException">This machine cannot run the forced record.</exception>
    public CpuLinear(ThreadTeam team, ActivationPrecision activations, string? forced)
    {
        _products = new CpuProducts(activations, forced);
        if (forced is not null && CpuProducts.All.First(record => record.Name == forced).Lacks(CpuLimits.This) is string reason)
        {
            throw new PlatformNotSupportedException($"Product {forced} cannot run here: it {reason}.");
        }
        _workspace = new CpuWorkspace(team);
    }

    /// <summary>What products may make of their activations.</summary>
    public ActivationPrecision Activations => _products.Activations;

    public string Description
    {
        get
        {
            var gemm = new GemmDesc(1, PackedMatrix.PanelRows, PackedMatrix.PanelRows, WeightFormat.BF16, Activations);
            return $"{_products.Choose(gemm, CpuLayout.Panels).Name} and others, {Activations} activations";
        }
    }

    /// <summary>
    /// Panels that a product hands out together: neighbouring ones are one stream, and small ones are not worth handing out alone;
    /// but every thread wants several items.
    /// </summary>
    public static int PanelsPerItem(long panelBytes, int panels, int tokens, ProductTeam team) =>
        (int)Math.Clamp(Math.Max(ItemBytes / Math.Max(1, panelBytes * tokens), panels / (16 * team.Threads)), 1, 8);

    /// <summary>Packs matrices of equal width, stacked along the rows; those that stay in formats of their own by themselves.</summary>
    /// <param name="stacked">The matrices.</param>
    /// <param name="format">The format; null keeps what is stored.</param>
    /// <exception cref="ArgumentException">No source, one without data, widths differ, or a width that the format cannot have.</exception>
    /// <exception cref="NotSupportedException">The processor has no product for the format.</exception>
    public IMatrix Pack(ReadOnlySpan<MatrixSource> stacked, WeightFormat? format) => format is null
        ? StackedMatrix.Pack(stacked, sources => Pack(sources, StackedSources.Stored(sources)))
        : Pack(stacked.ToArray(), StackedSources.Check(stacked, format));

    /// <summary>Fills <paramref name="y"/>.</summary>
    /// <exception cref="ArgumentException">Shapes differ or the matrix is another backend's.</exception>
    public void Run(Tensor x, IMatrix weight, Tensor? bias, Tensor y)
    {
        MatMul.Check(MemoryPlace.Host, x, weight, bias, y);
        if (x.Rows > 0)
        {
            Run(new CpuOperands(x.Pointer, x.Rows, weight, bias is Tensor given ? given.Pointer : null, y.Pointer));
        }
    }

    /// <summary>Computes products that do not depend on each other: their panels are shared out together.</summary>
    /// <exception cref="ArgumentException">Shapes differ or a matrix is another backend's.</exception>
    public void RunTogether<TProducts>(in TProducts products)
        where TProducts : struct, IProducts, allows ref struct
    {
        try
        {
            for (int i = 0, begun = 0; i < products.Count; i++)
            {
                _workspace.Begin(begun);
                products.Run(this, i);
                // Those without rows, and those that ran at once, leave their memory to the next.
                begun += _workspace.Team.HasCollected ? 1 : 0;
            }
        }
        catch
        {
            _workspace.Drop();
            throw;
        }
        _workspace.RunCollected();
    }

    public void Dispose()
    {
        _workspace.Dispose();
        _parts.Dispose();
    }

    /// <summary>The layout that a matrix is packed in.</summary>
    /// <exception cref="NotSupportedException">The processor has no product for the format.</exception>
    public CpuLayout LayoutOf(in StackedSources shape) => _products.ForPacking(new GemmDesc(1, shape.Rows, shape.Columns, shape.Format, Activations)).Layout;

    private IMatrix Pack(MatrixSource[] sources, StackedSources shape)
    {
        CpuLayout layout = LayoutOf(shape);
        if (SavedMatrix.TryMap(sources, shape, layout, out string? reason) is { } mapped)
        {
            return mapped;
        }
        IMatrix packed = layout.Pack(sources, shape.Format, _workspace.Team.Team);
        if (packed is CpuMatrix own)
        {
            own.PackedAgain = reason;
        }
        return packed;
    }

    private void Run(in CpuOperands o)
    {
        if (o.Weights is StackedMatrix stacked)
        {
            RunParts(stacked, o);
            return;
        }
        if (o.Weights is not CpuMatrix matrix)
        {
            throw new ArgumentException($"The matrix is a {o.Weights.GetType().Name}; make it with this backend's Pack.", "weight");
        }
        using CpuWorkspace.Use use = _workspace.Hold(matrix);
        _products.Choose(new GemmDesc(o.Tokens, matrix.Rows, matrix.Columns, matrix.Format, Activations), matrix.PackedAs).Launch(_workspace, o);
    }

    /// <summary>Each part's outputs beside each other, then where they belong: at once, although others may be collected.</summary>
    private void RunParts(StackedMatrix w, in CpuOperands o)
    {
        bool collects = _workspace.Team.Interrupt();
        int first = 0;
        foreach (IMatrix part in w.Parts)
        {
            float* outputs = (float*)_parts.Require((long)o.Tokens * part.Rows * sizeof(float));
            Run(new CpuOperands(o.X, o.Tokens, part, o.Bias == null ? null : o.Bias + first, outputs));
            for (int t = 0; t < o.Tokens; t++)
            {
                new ReadOnlySpan<float>(outputs + (long)t * part.Rows, part.Rows).CopyTo(new Span<float>(o.Y + (long)t * w.Rows + first, part.Rows));
            }
            first += part.Rows;
        }
        if (collects)
        {
            _workspace.Team.Collect();
        }
    }
}

/// <summary>Products that do not depend on each other.</summary>
internal interface IProducts
{
    /// <summary>How many.</summary>
    int Count { get; }

    /// <summary>Asks for one of them: a single <see cref="CpuLinear.Run(Contracts.Tensor, IMatrix, Contracts.Tensor?, Contracts.Tensor)"/>.</summary>
    void Run(CpuLinear linear, int index);
}
