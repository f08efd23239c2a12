using System.CommandLine;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Serving;
using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Cli.Shared;

/// <summary>The options that say which model to load and how, and the loading with its progress bar.</summary>
/// <param name="activations">How far activations are rounded where nobody says.</param>
internal sealed class ModelArguments(string activations)
{
    private readonly Option<string?> _model = new("--model", "-m") { Description = "Checkpoint: a folder (safetensors, GGUF, Meta's consolidated.*.pth) or a .gguf file; without it the sample model that comes with the tool." };

    private readonly Option<string> _activations = ActivationArgument.New(activations);

    private readonly WeightArguments _weights = new("on loading");

    private readonly Option<int> _threads = ThreadArgument.New("CPU threads", 0);

    private readonly Option<bool> _noVision = new("--no-vision") { Description = "Leave the vision tower out: less memory, no pictures." };

    private readonly Option<string?> _projector = NewProjector();

    private readonly BackendArguments _backend = new();

    /// <summary>The option that names a GGUF model's vision projector.</summary>
    public static Option<string?> NewProjector() => new("--mmproj")
    {
        Description = "For GGUF: the vision projector's file; without it one beside the model whose name contains 'mmproj'.",
    };

    /// <summary>The sample model's folder beside the program.</summary>
    public static string SampleModel => Path.Combine(AppContext.BaseDirectory, "sample-model");

    /// <summary>Adds the options; <paramref name="named"/> adds <c>--model</c>, which commands with a checkpoint argument lack.</summary>
    public void AddTo(Command command, bool named = true)
    {
        if (named)
        {
            command.Add(_model);
        }
        command.Add(_activations);
        _weights.AddTo(command);
        command.Add(_threads);
        command.Add(_noVision);
        command.Add(_projector);
        _backend.AddTo(command);
    }

    /// <summary>What the model that was named is called: its folder, or its file without the ending.</summary>
    public string NameOf(ParseResult parsed)
    {
        string path = Path.GetFullPath(parsed.GetValue(_model) ?? SampleModel).TrimEnd(Path.DirectorySeparatorChar);
        string name = File.Exists(path) ? Path.GetFileNameWithoutExtension(path) : Path.GetFileName(path);
        return name.Length > 0 ? name : "llama4";
    }

    /// <summary>Loads the model that was named, or the sample model.</summary>
    public Llama4Model Load(ParseResult parsed, CommandConsole console, CancellationToken cancellation, bool needsTokenizer = true) =>
        Load(parsed.GetValue(_model) ?? SampleModel, parsed, console, cancellation, needsTokenizer);

    /// <summary>
    /// The model once more on the CPU, whose sums have another order, if <paramref name="model"/> runs on the emulator: such
    /// models are small. Null elsewhere.
    /// </summary>
    public Llama4Model? LoadOtherOrder(string folder, Llama4Model model, ParseResult parsed, CancellationToken cancellation) =>
        _backend.IsEmulator(parsed) ? Llama4Model.Load(folder, model.Options with { CreateBackend = null }, null, cancellation) : null;

    /// <summary>A checkpoint to compare <paramref name="model"/> with: weights as stored, float32 activations, no pictures.</summary>
    public Llama4Model LoadToCompare(string folder, Llama4Model model, CommandConsole console, CancellationToken cancellation)
    {
        ModelOptions options = model.Options with { Weights = WeightScheme.Stored, Activations = ActivationPrecision.Float32, LoadVision = false, Projector = null, NeedsTokenizer = false };
        return Load(folder, options, $"compared with {folder}", console, cancellation);
    }

    /// <summary>Loads a model, with a progress bar where a person watches.</summary>
    public Llama4Model Load(string folder, ParseResult parsed, CommandConsole console, CancellationToken cancellation, bool needsTokenizer)
    {
        ModelOptions options = Read(parsed, console, needsTokenizer);
        options = WithBackend(parsed, options, sizes => Llama4Engine.MeasureMemory(folder, options, sizes), console, out string reason);
        Llama4Model model = Load(folder, options, reason, console, cancellation);
        foreach (string warning in model.Warnings)
        {
            console.Error.WriteLine("llama4: " + warning);
        }
        return model;
    }

    /// <summary>Whether a checkpoint was named.</summary>
    public bool IsNamed(ParseResult parsed) => parsed.GetValue(_model) is not null;

    /// <summary>How a model is to be loaded, but for where.</summary>
    public ModelOptions Read(ParseResult parsed, CommandConsole console, bool needsTokenizer) => _weights.Read(parsed) with
    {
        Activations = ActivationArgument.Get(parsed, _activations),
        Threads = ThreadArgument.Check(parsed.GetValue(_threads), console),
        LoadVision = !parsed.GetValue(_noVision),
        Projector = parsed.GetValue(_projector),
        NeedsTokenizer = needsTokenizer,
    };

    /// <summary>Adds where.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="options">How the model is to be loaded.</param>
    /// <param name="need">What it would take, which decides where nobody does.</param>
    /// <param name="console">Told what has no meaning there.</param>
    /// <param name="reason">What was chosen and why, as a line for people.</param>
    public ModelOptions WithBackend(ParseResult parsed, ModelOptions options, Func<IBackendSizes, MemoryNeed> need, CommandConsole console, out string reason)
    {
        options = options with { CreateBackend = _backend.Choose(parsed, need, options.Activations ?? ActivationPrecision.Float32, out reason) };
        if (options is { CreateBackend: not null, Threads: > 0 } && _backend.IsAuto(parsed))
        {
            // Who names a device is told that it has no threads; who lets the machine choose meant the processor's.
            console.Error.WriteLine($"llama4: --threads {options.Threads} has no meaning on a device.");
            options = options with { Threads = 0 };
        }
        return options;
    }

    private static Llama4Model Load(string folder, ModelOptions options, string reason, CommandConsole console, CancellationToken cancellation)
    {
        if (console.ErrorIsTerminal)
        {
            console.Error.WriteLine(reason);
        }
        return LoadBar.Run(console, "loading", progress => Llama4Model.Load(folder, options, progress, cancellation));
    }
}
