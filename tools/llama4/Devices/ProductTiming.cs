using Llama4Kernels.Cli.Shared;
using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Backends.Cuda;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Ptx;
using Llama4Kernels.PtxEmulator.Counting;
using Llama4Kernels.PtxEmulator.Driver;
using Llama4Kernels.PtxEmulator.Parsing;

namespace Llama4Kernels.Cli.Devices;

/// <summary>A product of the published models on the device.</summary>
/// <param name="Product">Which, of which model.</param>
/// <param name="Outputs">Rows of its weights.</param>
/// <param name="Inner">Columns of its weights.</param>
/// <param name="IsReduced">On the emulator: smaller than the model's.</param>
/// <param name="Rows">Rows of x.</param>
/// <param name="Weights">Format of the weights.</param>
/// <param name="Kernel">The kernel.</param>
/// <param name="WeightBytes">Bytes of the weights: read once at least.</param>
/// <param name="BytesInFlight">Bytes under way on a multiprocessor, from the kernel's text and the blocks that fit.</param>
/// <param name="Launches">Launches that were timed together, in one graph.</param>
/// <param name="MeasuredMicroseconds">Time of one on the device; null on the emulator.</param>
/// <param name="PredictedMicroseconds">Reading the weights once at the rate that so many bytes under way have on this device, and a launch.</param>
/// <param name="MeasuredGBs">Weights over time, 10⁹ bytes a second.</param>
/// <param name="Error">Largest difference from what the processor gives, as a share of the largest result.</param>
/// <param name="Tolerance">What is allowed.</param>
internal sealed record ProductReport(
    string Product, int Outputs, int Inner, bool IsReduced, int Rows, string Weights, string Kernel, long WeightBytes, long BytesInFlight, int Launches,
    double? MeasuredMicroseconds, double PredictedMicroseconds, double? MeasuredGBs, double Error, double Tolerance)
{
    public bool IsGood => Error <= Tolerance;
}

/// <summary>
/// Times products at the shapes of the published models: several matrices in turn, together far larger than the second-level cache, so that
/// each is read from memory as in a model; every result is compared.
/// </summary>
/// <param name="driver">The driver; the emulator does the same with smaller ones and times nothing.</param>
/// <param name="modules">Where kernels come from.</param>
/// <param name="figures">What predictions take of the device.</param>
internal sealed unsafe class ProductTiming(ICudaDriver driver, IKernelModules modules, ReadFigures figures)
{
    private const int ReducedOutputs = 32, ReducedInner = 1024;
    private const int MostMatrices = 12;
    private const int CachesBeyond = 4;
    private const int FewestLaunches = 24;
    private const int Runs = 3;
    // Of two backends, each may quantise an activation that lies between two codes to its side.
    private const double RoundedOperands = 1e-2, CodedOperands = 1e-3, ExactOperands = 1e-4;

    private bool IsEmulated => driver is EmulatedCudaDriver;

    /// <summary>
    /// Every product of both models once, in each format that its weights may have there; what the models share is named after the first.
    /// Experts have a timing of their own (<see cref="ExpertTiming"/>).
    /// </summary>
    public static IReadOnlyList<(string Name, ModelProduct Product, WeightFormat Weights)> Products { get; } =
    [
        .. ModelShape.Names.SelectMany(model => ModelShape.Products(model).Select(product => (Name: $"{model} {product.Name}", Product: product)))
            .Where(item => item.Product.Experts == 0)
            .DistinctBy(item => (item.Product.Outputs, item.Product.Inner))
            .SelectMany(item => Formats(item.Product.Part).Select(format => (item.Name, item.Product, format))),
    ];

    /// <summary>Rows of decoding: beyond them products are no longer bound by reading weights.</summary>
    public static int[] RowsOf(bool isEmulated) => isEmulated ? [1, 8] : [1, 8, 16];

    /// <summary>Times them; reports each as it comes, since a device may hang.</summary>
    public IEnumerable<ProductReport> Run(CancellationToken cancellation)
    {
        using CudaContext context = CudaContext.RetainPrimary(driver);
        DeviceLimits device = DeviceLimits.Read(context);
        long cache = context.Attribute(CudaDeviceAttribute.L2CacheSize);
        using var timer = new CudaTimer(context);
        using var backend = new CudaBackend(context, modules, new CudaBackendOptions { ArenaBytes = 8L << 20, StagingBytes = 2L << 20, Precision = ActivationPrecision.BFloat16, Stream = timer.Stream });
        using var cpu = new CpuBackend();
        foreach ((string name, ModelProduct product, WeightFormat weights) in Products)
        {
            int outputs = IsEmulated ? Math.Min(product.Outputs, ReducedOutputs) : product.Outputs, inner = IsEmulated ? Math.Min(product.Inner, ReducedInner) : product.Inner;
            long bytes = weights.Bytes(outputs, inner);
            int matrices = IsEmulated ? 2 : (int)Math.Clamp(CachesBeyond * cache / bytes, 1, MostMatrices);
            using var scope = new ProbeScope(backend);
            using var reference = new ProbeScope(cpu);
            ushort[] row = scope.Halves(inner);
            IMatrix[] packed = [.. Enumerable.Range(0, matrices).Select(_ => scope.Own(Repeated(backend, row, outputs, weights)))];
            IMatrix single = reference.Own(Repeated(cpu, row, 1, weights));
            foreach (int rows in RowsOf(IsEmulated))
            {
                cancellation.ThrowIfCancellationRequested();
                var gemm = new GemmDesc(rows, outputs, inner, weights, ActivationPrecision.BFloat16);
                ProductChoice choice = KernelChoices.Choose(gemm, device);
                (long inFlight, bool dependent) = InFlight(context, modules, choice, device);
                float[] numbers = scope.Numbers(rows * inner);
                Tensor x = scope.Input(rows, inner, numbers), y = scope.Empty(rows, outputs);
                int launches = IsEmulated ? matrices : Math.Max(FewestLaunches, matrices);
                double? seconds = IsEmulated ? null : timer.Seconds(backend, launches, Runs, i => backend.Linear(x, packed[i % matrices], null, y));
                if (IsEmulated)
                {
                    Array.ForEach(packed, matrix => backend.Linear(x, matrix, null, y));
                }
                yield return new ProductReport(
                    name, outputs, inner, (outputs, inner) != (product.Outputs, product.Inner), rows, weights.Name, choice.Kernel, bytes, inFlight, launches,
                    seconds * 1e6, figures.Microseconds(bytes, inFlight, dependent), bytes / seconds / 1e9,
                    Error(reference, single, numbers, rows, scope.Read(y)), Tolerance(weights, choice));
            }
        }
    }

    /// <summary>What is allowed of a product whose operands are as its kernel takes them.</summary>
    internal static double Tolerance(WeightFormat weights, ProductChoice choice) =>
        weights.QuantisesActivations ? CodedOperands : choice.Operands == nameof(ActivationPrecision.BFloat16) ? RoundedOperands : ExactOperands;

    /// <summary>One output of one row.</summary>
    internal static float Single(ProbeScope scope, ushort[] weights, WeightFormat format, float[] x)
    {
        using IMatrix matrix = Repeated(scope.Backend, weights, 1, format);
        Tensor y = scope.Empty(1, 1);
        scope.Backend.Linear(scope.Input(1, x.Length, x), matrix, null, y);
        return scope.Read(y)[0];
    }

    /// <summary>Formats that a part's weights may have: as published, as Meta quantises them, or in FP8 with --include.</summary>
    private static WeightFormat[] Formats(string part) => part switch
    {
        "shared" => [WeightFormat.Int4, WeightFormat.Fp8Activations],
        "attention" or "dense" => [WeightFormat.BF16, WeightFormat.Fp8Activations],
        _ => [WeightFormat.BF16],
    };

    /// <summary>A matrix whose rows are all the same: large ones need no large source, and every output of a row of x must be alike.</summary>
    private static IMatrix Repeated(IBackend backend, ushort[] row, int outputs, WeightFormat format)
    {
        fixed (ushort* data = row)
        {
            return backend.Pack([new StridedMatrix((nint)data, ElementType.BF16, outputs, row.Length, 0, 1)], format);
        }
    }

    private static double Error(ProbeScope reference, IMatrix single, float[] numbers, int rows, float[] actual)
    {
        Tensor x = reference.Input(rows, single.Columns, numbers), y = reference.Empty(rows, 1);
        reference.Backend.Linear(x, single, null, y);
        float[] expected = reference.Read(y);
        int outputs = actual.Length / rows;
        double largest = expected.Max(Math.Abs), error = 0;
        for (int i = 0; i < actual.Length; i++)
        {
            double difference = Math.Abs((double)actual[i] - expected[i / outputs]);
            error = Math.Max(error, double.IsNaN(difference) ? double.PositiveInfinity : difference / largest);
        }
        return error;
    }

    /// <summary>Bytes that the blocks on a multiprocessor have under way, and whether the kernel may overlap the one before.</summary>
    internal static (long Bytes, bool Dependent) InFlight(CudaContext context, IKernelModules modules, ProductChoice choice, DeviceLimits device)
    {
        KernelModule module = new CombinedKernelModules(PtxKernelModules.All, modules).Get(choice.Kernel, device.Sm);
        using CudaModule loaded = CudaModule.Load(context, module.Text);
        CudaFunction function = loaded.GetFunction(module.Name);
        if (choice.SharedBytes > 0)
        {
            function.SetAttribute(CudaFunctionAttribute.MaxDynamicSharedSizeBytes, choice.SharedBytes);
        }
        int threads = (int)choice.Block.Count;
        long blocks = Math.Min(function.BlocksPerMultiprocessor(threads, choice.SharedBytes), (choice.Grid.Count + device.Multiprocessors - 1) / device.Multiprocessors);
        return (blocks * threads * LoadsInFlight.BytesPerThread(PtxModule.Parse(module.Text), module.Name), module.Spec.DependentLaunch);
    }
}
