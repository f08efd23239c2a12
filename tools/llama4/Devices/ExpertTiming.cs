using Llama4Kernels.Cli.Shared;
using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Backends.Cuda;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.PtxEmulator.Driver;

namespace Llama4Kernels.Cli.Devices;

/// <summary>
/// Times routed experts at the shapes of the published models: rows are brought to their experts, go through both products and come back. Rows
/// choose experts by turns and launches begin with different ones, so that weights come from memory as in a model; every result is compared.
/// </summary>
/// <param name="driver">The driver; the emulator does the same with smaller ones and times nothing.</param>
/// <param name="modules">Where kernels come from.</param>
/// <param name="figures">What predictions take of the device.</param>
internal sealed unsafe class ExpertTiming(ICudaDriver driver, IKernelModules modules, ReadFigures figures)
{
    private const int ReducedHidden = 512, ReducedWidth = 256;

    /// <summary>Experts in memory: together far larger than any second-level cache. A model has more, of which a step reads those that are chosen.</summary>
    private const int Experts = 4;
    private const int Launches = 24, Runs = 3;
    private const float Certain = 4f;

    private bool IsEmulated => driver is EmulatedCudaDriver;

    /// <summary>Each model's experts in the format that Meta publishes them in.</summary>
    public static IReadOnlyList<(string Name, ModelProduct GateUp, ModelProduct Down, WeightFormat Weights)> Items { get; } =
    [
        .. ModelShape.Names.Zip([WeightFormat.Int4, WeightFormat.Fp8Activations], (model, weights) =>
            ModelShape.Products(model).Where(product => product.Experts > 0).ToArray() is [var gateUp, var down]
                ? ($"{model} experts", gateUp, down, weights)
                : throw new InvalidOperationException("Experts have two products.")),
    ];

    /// <summary>Times them; reports each as it comes, since a device may hang.</summary>
    public IEnumerable<ProductReport> Run(CancellationToken cancellation)
    {
        using CudaContext context = CudaContext.RetainPrimary(driver);
        DeviceLimits device = DeviceLimits.Read(context);
        using var timer = new CudaTimer(context);
        using var backend = new CudaBackend(context, modules, new CudaBackendOptions { ArenaBytes = 8L << 20, StagingBytes = 2L << 20, Precision = ActivationPrecision.BFloat16, Stream = timer.Stream });
        using var cpu = new CpuBackend();
        foreach ((string name, ModelProduct gateUp, ModelProduct down, WeightFormat weights) in Items)
        {
            (int hidden, int width) = IsEmulated ? (ReducedHidden, ReducedWidth) : (down.Outputs, down.Inner);
            using var scope = new ProbeScope(backend);
            using var reference = new ProbeScope(cpu);
            ushort[][] first = [.. Enumerable.Range(0, Experts).Select(expert => Row(scope, hidden, expert, 4f))], second = [.. Enumerable.Range(0, Experts).Select(expert => Row(scope, width, expert, 1f))];
            IMatrix[] wide = Stack(scope, first, 2 * width, weights), narrow = Stack(scope, second, hidden, weights);
            ExpertWeights[] experts = [.. wide.Zip(narrow, (one, other) => new ExpertWeights(one, other))];
            foreach (int rows in ProductTiming.RowsOf(IsEmulated))
            {
                cancellation.ThrowIfCancellationRequested();
                float[] numbers = [.. scope.Numbers(rows * hidden).Select(value => 1 + (0.5f * value))];
                Routing[] routes = [.. Enumerable.Range(0, Experts).Select(turn => Route(scope, rows, turn))];
                Tensor x = scope.Input(rows, hidden, numbers), y = scope.Empty(rows, hidden);
                backend.ExpertFeedForward(x, routes[0], experts, y);
                float[] actual = scope.Read(y);
                double? seconds = IsEmulated ? null : timer.Seconds(backend, Launches, Runs, i => backend.ExpertFeedForward(x, routes[i % Experts], experts, y));
                long bytes = 0;
                double predicted = 0;
                List<ProductChoice> choices = [];
                long inFlight = long.MaxValue;
                foreach (IMatrix matrix in (IMatrix[])[wide[0], narrow[0]])
                {
                    ProductChoice choice = KernelChoices.Choose(new GemmDesc(rows, matrix.Rows, matrix.Columns, weights, ActivationPrecision.BFloat16, Experts), device);
                    (long own, bool dependent) = ProductTiming.InFlight(context, modules, choice, device);
                    long read = Math.Min(rows, Experts) * weights.Bytes(matrix.Rows, matrix.Columns);
                    (bytes, predicted, inFlight) = (bytes + read, predicted + figures.Microseconds(read, own, dependent), Math.Min(inFlight, own));
                    choices.Add(choice);
                }
                yield return new ProductReport(
                    name, 2 * width, hidden, (2 * width, hidden) != (gateUp.Outputs, gateUp.Inner), rows, weights.Name, string.Join(", ", choices.Select(choice => choice.Kernel).Distinct()), bytes, inFlight,
                    IsEmulated ? 1 : Launches, seconds * 1e6, predicted, bytes / seconds / 1e9, Error(reference, first, second, weights, numbers, rows, actual), ProductTiming.Tolerance(weights, choices[0]));
            }
        }
    }

    /// <summary>A row of an expert's weights: positive, so that nothing cancels, of a mean that is the expert's own.</summary>
    private static ushort[] Row(ProbeScope scope, int columns, int expert, float sum) =>
        [.. scope.Numbers(columns).Select(value => Bf16.FromSingle((1 + (0.5f * value)) * (1 + (0.25f * expert)) * sum / columns))];

    /// <summary>A matrix an expert, whose rows are all the same: see <see cref="ProductTiming"/>.</summary>
    private static IMatrix[] Stack(ProbeScope scope, ushort[][] rows, int outputs, WeightFormat format)
    {
        int columns = rows[0].Length;
        ushort[] values = [.. rows.SelectMany(row => row)];
        fixed (ushort* p = values)
        {
            nint data = (nint)p;
            IMatrix[] packed = scope.Backend.PackStack(rows.Length, expert =>
                ([new StridedMatrix(data + (expert * columns * sizeof(ushort)), ElementType.BF16, outputs, columns, 0, 1)], format));
            return [.. packed.Select(scope.Own)];
        }
    }

    private static int ChoiceOf(int row, int turn) => (row + turn) % Experts;

    private static Routing Route(ProbeScope scope, int rows, int turn)
    {
        float[] logits = new float[rows * Experts];
        for (int row = 0; row < rows; row++)
        {
            logits[(row * Experts) + ChoiceOf(row, turn)] = Certain;
        }
        Routing routing = scope.Own(scope.Backend.CreateRouting(rows, Experts, 1));
        scope.Backend.RouteTopK(scope.Input(rows, Experts, logits), routing);
        return routing;
    }

    /// <summary>Outputs of a row are all alike: the processor makes one.</summary>
    private static double Error(ProbeScope reference, ushort[][] first, ushort[][] second, WeightFormat weights, float[] numbers, int rows, float[] actual)
    {
        int hidden = first[0].Length, width = second[0].Length;
        float score = (float)(1 / (1 + Math.Exp(-Certain)));
        double error = 0;
        for (int row = 0; row < rows; row++)
        {
            int expert = ChoiceOf(row, turn: 0);
            float gate = ProductTiming.Single(reference, first[expert], weights, [.. numbers.AsSpan(row * hidden, hidden).ToArray().Select(value => value * score)]);
            float gated = (float)(gate / (1 + Math.Exp(-gate))) * gate;
            double expected = ProductTiming.Single(reference, second[expert], weights, [.. Enumerable.Repeat(gated, width)]);
            foreach (float value in actual.AsSpan(row * hidden, hidden))
            {
                double difference = Math.Abs(value - expected) / Math.Abs(expected);
                error = Math.Max(error, double.IsNaN(difference) ? double.PositiveInfinity : difference);
            }
        }
        return error;
    }
}
