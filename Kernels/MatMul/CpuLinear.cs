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
        _workspace = new CpuWorkspace(team, new CpuScratch());
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
    public static int PanelsPerItem(long panelBytes, int panels, int tokens, ThreadTeam team) =>
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

    public void Dispose()
    {
        _workspace.Operand.Dispose();
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
        IMatrix packed = layout.Pack(sources, shape.Format, _workspace.Team);
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
        using CpuMatrix.Use use = matrix.Hold();
        _products.Choose(new GemmDesc(o.Tokens, matrix.Rows, matrix.Columns, matrix.Format, Activations), matrix.PackedAs).Launch(_workspace, o);
    }

    /// <summary>Each part's outputs beside each other, then where they belong.</summary>
    private void RunParts(StackedMatrix w, in CpuOperands o)
    {
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
    }
}
