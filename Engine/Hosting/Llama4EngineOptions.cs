using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Scheduling;
using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Hosting;

/// <summary>
/// The engine of a host, to be bound from configuration. What is not set is as <see cref="ModelOptions"/> and
/// <see cref="EngineOptions"/> have it; values are checked when the host starts, all faults in one report.
/// </summary>
public sealed class Llama4EngineOptions
{
    private Func<IBackend>? _createBackend;

    /// <summary>The checkpoint: a folder, or a .gguf file. Required.</summary>
    public string? Model { get; set; }

    /// <summary>What clients call the model; null for the name of its folder or file.</summary>
    public string? ModelId { get; set; }

    /// <summary>As <see cref="ModelOptions.Weights"/>.</summary>
    public WeightScheme Weights { get; set; }

    /// <summary>As <see cref="ModelOptions.Include"/>; in configuration names with commas between them.</summary>
    public LinearParts? Include { get; set; }

    /// <summary>As <see cref="ModelOptions.Activations"/>.</summary>
    public ActivationPrecision? Activations { get; set; }

    /// <summary>As <see cref="ModelOptions.Threads"/>.</summary>
    public int Threads { get; set; }

    /// <summary>As <see cref="ModelOptions.LoadVision"/>.</summary>
    public bool LoadVision { get; set; } = true;

    /// <summary>As <see cref="ModelOptions.Projector"/>.</summary>
    public string? Projector { get; set; }

    /// <summary>As <see cref="EngineOptions.MaxContext"/>.</summary>
    public int? MaxContext { get; set; }

    /// <summary>As <see cref="EngineOptions.CacheBytes"/>.</summary>
    public long? CacheBytes { get; set; }

    /// <summary>As <see cref="EngineOptions.CacheFormat"/>.</summary>
    public KvFormat? CacheFormat { get; set; }

    /// <summary>As <see cref="EngineOptions.KeepPrefixes"/>.</summary>
    public bool KeepPrefixes { get; set; } = true;

    /// <summary>As <see cref="EngineOptions.MaxQueue"/>; null for its default.</summary>
    public int? MaxQueue { get; set; }

    /// <summary>As <see cref="EngineOptions.StepRows"/>.</summary>
    public int? StepRows { get; set; }

    /// <summary>As <see cref="EngineOptions.StepTokens"/>.</summary>
    public int? StepTokens { get; set; }

    /// <summary>As <see cref="EngineOptions.MaxLogitRows"/>.</summary>
    public int? MaxLogitRows { get; set; }

    /// <summary>Whether a token is computed before the engine is called ready, so that the first request is no slower than others.</summary>
    public bool WarmUp { get; set; } = true;

    /// <summary>How long requests that run may take when the host stops, zero or more; then they end with an error. The host's own limit counts too.</summary>
    public TimeSpan DrainTimeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>Makes the backend, as <see cref="ModelOptions.CreateBackend"/>: for devices.</summary>
    public void UseBackend(Func<IBackend> create)
    {
        ArgumentNullException.ThrowIfNull(create);
        _createBackend = create;
    }

    /// <summary>The name of a model that nobody named.</summary>
    internal static string NameOf(string path) => Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(path)));

    /// <exception cref="ArgumentException">A value is out of range.</exception>
    internal ModelOptions ToModelOptions() => new()
    {
        Weights = Weights,
        Include = Include,
        Activations = Activations,
        Threads = Threads,
        LoadVision = LoadVision,
        Projector = Projector,
        NeedsTokenizer = true,
        CreateBackend = _createBackend,
    };

    /// <exception cref="ArgumentException">A value is out of range.</exception>
    internal EngineOptions ToEngineOptions()
    {
        EngineOptions defaults = new();
        return defaults with
        {
            MaxContext = MaxContext,
            CacheBytes = CacheBytes,
            CacheFormat = CacheFormat,
            KeepPrefixes = KeepPrefixes,
            MaxQueue = MaxQueue ?? defaults.MaxQueue,
            StepRows = StepRows,
            StepTokens = StepTokens,
            MaxLogitRows = MaxLogitRows,
        };
    }
}
