using System.Runtime.InteropServices;
using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.Kernels.Normalization;
using Llama4Kernels.Tests.Oracles;
using Llama4Kernels.Tests.PtxEmulator.Mutation;

namespace Llama4Kernels.Tests.Kernels.Normalization;

/// <summary>Random rows with weights, in the kernel's buffers and for the oracle.</summary>
internal sealed class RowNormCase
{
    private const float Eps = 0.01f;

    private readonly int _columns;
    private readonly float[] _weight;

    /// <param name="rows">Rows.</param>
    /// <param name="columns">Columns, a multiple of four.</param>
    /// <param name="seed">Of the numbers.</param>
    public RowNormCase(int rows, int columns, int seed)
    {
        var random = new Random(seed);
        float Value() => (float)((2 * random.NextDouble()) - 1);
        _columns = columns;
        X = [.. Enumerable.Range(0, rows * columns).Select(_ => Value())];
        _weight = [.. Enumerable.Range(0, columns).Select(_ => 1 + Value())];
    }

    /// <summary>The rows.</summary>
    public float[] X { get; }

    /// <summary>The launch with its results; in place, or with a result of its own.</summary>
    public MutationLaunch Launch(bool inPlace)
    {
        byte[] x = Bytes(X), weight = Bytes(_weight), y = Bytes([.. NormOracle.RmsNorm(X, _weight, Eps).Select(value => (float)value)]);
        var agreement = new Agreement(ElementFormat.F32, 2e-6, 0, 1e-7);
        MutationBuffer weights = new(weight, weight, Agreement.Exact);
        return new MutationLaunch(
            new CudaDim3(X.Length / _columns), new CudaDim3(RmsNormPtx.Threads), 8 * sizeof(float),
            [new BufferArgument(0, X.Length), new BufferArgument(1, _columns), new BufferArgument(inPlace ? 0 : 2, X.Length), _columns, Eps],
            inPlace ? [new(x, y, agreement), weights] : [new(x, x, Agreement.Exact), weights, new(null, y, agreement)]);
    }

    private static byte[] Bytes(float[] values) => MemoryMarshal.AsBytes(values.AsSpan()).ToArray();
}
