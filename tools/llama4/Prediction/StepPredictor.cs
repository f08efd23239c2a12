using Llama4Kernels.Cli.Shared;
using Llama4Kernels.Engine.Config;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Scheduling;
using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Backends.Cuda;
using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.Kernels.Ptx;
using Llama4Kernels.PtxEmulator.Counting;
using Llama4Kernels.PtxEmulator.Driver;

namespace Llama4Kernels.Cli.Prediction;

/// <summary>What is to be predicted.</summary>
/// <param name="Config">The model.</param>
/// <param name="Products">Names of its products.</param>
/// <param name="Model">How it is loaded; its backend is the predictor's own.</param>
/// <param name="Device">On what.</param>
/// <param name="Product">A product's kernel to take wherever it can be taken; null takes the best.</param>
internal sealed record PredictionRequest(ModelConfig Config, IReadOnlyList<ModelProduct> Products, ModelOptions Model, DeviceFigures Device, string? Product);

/// <summary>
/// Predicts steps of a model on a device that is not there: the engine and the backend run as they are, on a driver that plans, and what they launch is
/// counted by the emulator, from some blocks of each launch.
/// </summary>
internal sealed class StepPredictor : IDisposable
{
    /// <summary>More than any model takes: whether the device has it is another question.</summary>
    private const long PlanBytes = 1L << 46;

    private readonly EmulatedCudaDriver _driver;
    private readonly StepRecorder _recorder;
    private readonly Llama4Model _model;

    /// <param name="request">What is to be predicted.</param>
    /// <param name="modules">Where compiled kernels come from.</param>
    /// <param name="counts">Count launches; otherwise they are only recorded.</param>
    /// <param name="progress">Told the kernel that is being counted.</param>
    /// <param name="cancellation">Stops.</param>
    /// <exception cref="OutOfMemoryException">There is not enough address space.</exception>
    public StepPredictor(PredictionRequest request, IKernelModules modules, bool counts, Action<string> progress, CancellationToken cancellation)
    {
        TextConfig c = request.Config.Text;
        Device = request.Device;
        _driver = new EmulatedCudaDriver(new EmulatedDriverOptions { Capability = Device.Sm, MemoryBytes = PlanBytes, IsPlan = true });
        try
        {
            _recorder = new StepRecorder(_driver, counts ? new LaunchCounter(new CombinedKernelModules(PtxKernelModules.All, modules), Device, progress, cancellation) : null);
            var options = new CudaBackendOptions
            {
                Precision = request.Model.Precision,
                Product = request.Product,
                WithoutWeights = true,
            };
            IBackend Create() => new PlanBackend(CudaBackendChoice.Create(_driver, modules, options), _recorder, request.Products);
            _model = Llama4Model.Plan(request.Config, "the planned model", request.Model with { CreateBackend = Create, LoadVision = false }, cancellation);
        }
        catch
        {
            _model?.Dispose();
            _driver.Dispose();
            throw;
        }
        Chunk = c.AttentionChunkSize;
        IsChunked = [.. c.LayerKinds.Select(layer => layer.IsChunked && Chunk is not null)];
    }

    /// <summary>On what.</summary>
    public DeviceFigures Device { get; }

    /// <summary>Bytes of device memory that were taken so far: weights, activations, cache.</summary>
    public long UsedBytes => _driver.UsedBytes;

    private int? Chunk { get; }

    private bool[] IsChunked { get; }

    /// <summary>Keys that a chunked layer holds in the mean of a context.</summary>
    public static int MeanKeys(int context, int chunk) => Math.Clamp(context / 2, 1, chunk / 2);

    /// <summary>A step that decodes a token of each of some sequences, each with a context of its own.</summary>
    /// <param name="rows">Sequences.</param>
    /// <param name="context">Keys that layers with full attention hold, the new one among them; chunked ones hold their mean.</param>
    public IReadOnlyList<RecordedOperation> Decode(int rows, int context)
    {
        if (Chunk is not int chunk || !IsChunked.Contains(true))
        {
            return DecodeAt(rows, context - 1, static _ => true);
        }
        // Two steps, of which each layer with a cache counts in one.
        IReadOnlyList<RecordedOperation> full = DecodeAt(rows, context - 1, layer => !IsChunked[layer]);
        IReadOnlyList<RecordedOperation> mean = DecodeAt(rows, MeanKeys(context, chunk) - 1, layer => IsChunked[layer]);
        return [.. full.Zip(mean, (a, b) => a.Operation.CacheLayer >= 0 && IsChunked[a.Operation.CacheLayer] ? b : a)];
    }

    /// <summary>The steps that bring a prompt into an empty context.</summary>
    /// <param name="tokens">Its tokens.</param>
    public IReadOnlyList<RecordedOperation> Prefill(int tokens)
    {
        using var plan = new StepPlan(_model, 1, tokens);
        plan.Prefill(tokens, (cached, rows) => _recorder.Reach = layer => (1, rows, Seen(layer, cached)));
        return _recorder.Take();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _model.Dispose();
        _driver.Dispose();
    }

    /// <summary>Cached tokens that a layer sees.</summary>
    private int Seen(int layer, int cached) => IsChunked[layer] ? cached % Chunk!.Value : cached;

    private IReadOnlyList<RecordedOperation> DecodeAt(int rows, int cached, Predicate<int> counts)
    {
        using var plan = new StepPlan(_model, rows, cached + 1);
        _recorder.Reach = layer => (rows, 1, Seen(layer, cached));
        _recorder.CountsCacheOf = counts;
        try
        {
            plan.Decode(rows, cached);
            return _recorder.Take();
        }
        finally
        {
            _recorder.CountsCacheOf = static _ => true;
        }
    }
}
