namespace Llama4Kernels.Kernels.Contracts;

/// <summary>
/// Chooses products from an ordered list, best first, the same way on every backend. The layout is chosen when weights are
/// packed: that of the first record that takes them and whose layout serves any number of rows, of which there is one copy. The
/// first record that takes a product and reads its weights' layout computes it. A record that is forced goes before better ones,
/// and beyond the rows that it is best for, wherever it can be taken. Used by one thread at a time.
/// </summary>
/// <param name="records">The list.</param>
/// <param name="machine">What the machine has.</param>
/// <param name="place">What the machine is called in errors.</param>
/// <param name="activations">What products may make of their activations.</param>
/// <param name="forced">A record to be taken wherever it can be, by name; null for none.</param>
/// <exception cref="ArgumentException">No record has the forced name; the message lists all names.</exception>
internal abstract class ProductList<TProduct, TMachine>(IReadOnlyList<TProduct> records, TMachine machine, string place, ActivationPrecision activations, string? forced)
    where TProduct : Product<TMachine>
{
    private readonly string? _forced = forced is null || records.Any(record => record.Name == forced)
        ? forced
        : throw new ArgumentException($"There is no product '{forced}'; there are {string.Join(", ", records.Select(record => record.Name))}.", nameof(forced));

    // What was chosen from before: a model has few kinds of products, and takes them again with every token.
    private readonly List<(GemmDesc Gemm, WeightLayout Layout, TProduct[] Candidates)> _known = [];

    /// <summary>What products may make of their activations.</summary>
    public ActivationPrecision Activations => activations;

    /// <summary>Whether some record takes products with weights of a format.</summary>
    public bool Reads(in GemmDesc gemm) => First(gemm) is not null;

    /// <summary>The first record for weights that are to be packed.</summary>
    /// <exception cref="NotSupportedException">None reads their format.</exception>
    public TProduct ForPacking(in GemmDesc gemm) => First(gemm)
        ?? throw new NotSupportedException($"No product on {place} reads {gemm.Weights} weights; take f32.");

    /// <summary>The record that computes a product with weights in a layout. Allocates nothing for products of a kind that came before.</summary>
    /// <exception cref="NotSupportedException">There is none.</exception>
    public TProduct Choose(in GemmDesc gemm, WeightLayout layout)
    {
        foreach (TProduct record in Candidates(gemm, layout))
        {
            if (record.Pays(gemm) || record.Name == _forced)
            {
                return record;
            }
        }
        throw new NotSupportedException($"No product on {place} takes {gemm} with weights in {layout.Name}.");
    }

    /// <summary>The record that computes a product whose weights are packed for it, and why not those before it that read these weights.</summary>
    /// <exception cref="NotSupportedException">There is none.</exception>
    public (TProduct Chosen, IReadOnlyList<string> Passed) Explain(GemmDesc gemm)
    {
        WeightLayout layout = ForPacking(gemm).Layout;
        TProduct chosen = Choose(gemm, layout);
        return (chosen,
            [.. records.TakeWhile(record => record != chosen)
                .Where(record => record.Reads(gemm.Weights) && record.IsGrouped == chosen.IsGrouped)
                .Select(record => $"{record.Name} {record.WhyNot(gemm, machine) ?? (record.Layout == layout ? "is not the forced one" : $"reads {record.Layout.Name}")}")]);
    }

    private TProduct[] Candidates(in GemmDesc gemm, WeightLayout layout)
    {
        foreach ((GemmDesc known, WeightLayout of, TProduct[] candidates) in _known)
        {
            if (known.Outputs == gemm.Outputs && known.Inner == gemm.Inner && known.Experts == gemm.Experts && known.Activations == gemm.Activations
                && ReferenceEquals(of, layout) && (ReferenceEquals(known.Weights, gemm.Weights) || known.Weights == gemm.Weights))
            {
                return candidates;
            }
        }
        return Find(gemm, layout);
    }

    private TProduct[] Find(GemmDesc gemm, WeightLayout layout)
    {
        TProduct[] found = [.. records.Where(record => record.Layout == layout && record.WhyNever(gemm, machine) is null).OrderBy(record => record.Name == _forced ? 0 : 1)];
        _known.Add((gemm, layout, found));
        return found;
    }

    /// <summary>The forced record if it takes a product, else the first that does, in a layout that serves any number of rows.</summary>
    private TProduct? First(GemmDesc gemm)
    {
        TProduct? first = null;
        foreach (TProduct record in records)
        {
            bool isForced = record.Name == _forced;
            if ((isForced || record.Pays(gemm)) && record.WhyNever(gemm, machine) is null && Covers(record.Layout, gemm))
            {
                if (isForced || _forced is null)
                {
                    return record;
                }
                first ??= record;
            }
        }
        return first;
    }

    private bool Covers(WeightLayout layout, GemmDesc gemm) =>
        records.Any(record => record.Layout == layout && record.MostRows == int.MaxValue && record.WhyNever(gemm, machine) is null);
}
