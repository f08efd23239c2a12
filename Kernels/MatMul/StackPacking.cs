using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.Kernels.Quantization;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>
/// Packs equal matrices one after another into stacks on the device: one stack, or one for each run of rows with a format of its
/// own. Matrices that turn out to be stored differently, as an expert that a tool left alone, have no common kernel: all of
/// them then become the float32 numbers that they stand for.
/// </summary>
internal sealed class StackPacking(CudaQueue queue, CudaProducts products, MatrixUpload upload, int count) : IDisposable
{
    private readonly List<(MatrixSource[] Sources, WeightFormat? Format)> _given = [];
    private CudaMatrix[][] _parts = [];
    private bool _decode;

    /// <summary>Packs the next matrix.</summary>
    /// <exception cref="ArgumentException">It cannot be packed, or has another shape than the first.</exception>
    public void Add(MatrixSource[] sources, WeightFormat? format)
    {
        StackedSources[] shapes = Shapes(sources, format);
        if (_given.Count > 0 && !_decode && !Stacks(shapes))
        {
            Recode();
            shapes = Shapes(sources, format);
        }
        if (_parts.Length == 0)
        {
            Begin(shapes);
        }
        else if (!Stacks(shapes))
        {
            CudaMatrixStack first = _parts[0][0].Stack;
            throw new ArgumentException($"Matrix {_given.Count} of a stack is [{shapes.Sum(shape => shape.Rows)}, {shapes[0].Columns}] {shapes[0].Format}, the first [{_parts.Sum(part => part[0].Rows)}, {first.Columns}] {first.Format}.", nameof(sources));
        }
        Write(_given.Count, sources, format);
        _given.Add((sources, format));
    }

    /// <summary>The matrices, which the caller now owns.</summary>
    public IMatrix[] Finish()
    {
        CudaMatrix[][] parts = _parts;
        _parts = [];
        return [.. Enumerable.Range(0, count).Select(i => parts.Length == 1 ? (IMatrix)parts[0][i] : new StackedMatrix([.. parts.Select(part => part[i])]))];
    }

    /// <summary>Frees what was packed and not handed out.</summary>
    public void Dispose()
    {
        foreach (CudaMatrix matrix in _parts.SelectMany(part => part))
        {
            matrix.Dispose();
        }
        _parts = [];
    }

    /// <summary>Begins again, with what was given so far as float32.</summary>
    private void Recode()
    {
        Dispose();
        _decode = true;
        for (int i = 0; i < _given.Count; i++)
        {
            if (i == 0)
            {
                Begin(Shapes(_given[0].Sources, _given[0].Format));
            }
            Write(i, _given[i].Sources, _given[i].Format);
        }
    }

    private void Begin(StackedSources[] shapes)
    {
        var parts = new List<CudaMatrix[]>();
        try
        {
            foreach (StackedSources shape in shapes)
            {
                var stack = new CudaMatrixStack(queue, count, shape, products.Layout(shape, count));
                parts.Add([.. Enumerable.Range(0, count).Select(index => new CudaMatrix(stack, index))]);
            }
        }
        finally
        {
            _parts = [.. parts];
        }
    }

    private void Write(int index, MatrixSource[] sources, WeightFormat? format)
    {
        IReadOnlyList<MatrixSource[]> runs = Runs(sources, format);
        for (int run = 0; run < runs.Count; run++)
        {
            upload.Write(runs[run], _parts[run][index]);
        }
    }

    private bool Stacks(StackedSources[] shapes) => shapes.SequenceEqual(_parts.Select(part => part[0].Stack.Shape));

    private StackedSources[] Shapes(MatrixSource[] sources, WeightFormat? format)
    {
        MatrixSource.CheckStack(sources);
        return _decode ? [StackedSources.Check(sources, WeightFormat.F32)] : ShapesOf(sources, format);
    }

    private IReadOnlyList<MatrixSource[]> Runs(MatrixSource[] sources, WeightFormat? format) => _decode ? [sources] : RunsOf(sources, format);

    /// <summary>What sources become: a shape, or one for each run of rows that keeps a format of its own.</summary>
    /// <exception cref="ArgumentException">They cannot be packed.</exception>
    public static StackedSources[] ShapesOf(ReadOnlySpan<MatrixSource> sources, WeightFormat? format) => [.. RunsOf(sources, format).Select(run => Shape(run, format))];

    private static IReadOnlyList<MatrixSource[]> RunsOf(ReadOnlySpan<MatrixSource> sources, WeightFormat? format) =>
        format is null ? StackedMatrix.Runs(sources) : [sources.ToArray()];

    private static StackedSources Shape(MatrixSource[] run, WeightFormat? format)
    {
        if (format is null && run[0] is CodedMatrix { IsInt4: false })
        {
            (int rows, int columns, WeightFormat codes) = AffineMatrix.Check(Array.ConvertAll(run, source => (CodedMatrix)source));
            return new StackedSources(rows, columns, codes);
        }
        return StackedSources.Check(run, format);
    }
}
