using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Scheduling;
using Microsoft.Extensions.Options;

namespace Llama4Kernels.Hosting;

/// <summary>Reports all values that are out of range. The ranges are those of the engine's own options, which check them where they are set.</summary>
internal sealed class Llama4EngineOptionsValidator : IValidateOptions<Llama4EngineOptions>
{
    /// <inheritdoc/>
    public ValidateOptionsResult Validate(string? name, Llama4EngineOptions options)
    {
        var faults = new ValidateOptionsResultBuilder();
        if (string.IsNullOrWhiteSpace(options.Model))
        {
            faults.AddError("the path of a checkpoint is needed.", nameof(options.Model));
        }
        else if (!Path.Exists(options.Model))
        {
            faults.AddError($"there is neither a folder nor a file {Path.GetFullPath(options.Model)}.", nameof(options.Model));
        }
        if (options.ModelId is { } id && string.IsNullOrWhiteSpace(id))
        {
            faults.AddError("it must not be empty; leave it out for the checkpoint's name.", nameof(options.ModelId));
        }
        if (options.DrainTimeout < TimeSpan.Zero)
        {
            faults.AddError($"it must be zero or more, not {options.DrainTimeout}.", nameof(options.DrainTimeout));
        }
        Check(faults, () => new ModelOptions { Weights = options.Weights });
        Check(faults, () => new ModelOptions { Include = options.Include });
        Check(faults, () => new ModelOptions { Activations = options.Activations });
        Check(faults, () => new ModelOptions { Threads = options.Threads });
        Check(faults, () => new EngineOptions { MaxContext = options.MaxContext });
        Check(faults, () => new EngineOptions { CacheBytes = options.CacheBytes });
        Check(faults, () => new EngineOptions { CacheFormat = options.CacheFormat });
        Check(faults, () => new EngineOptions { MaxQueue = options.MaxQueue ?? 1 });
        Check(faults, () => new EngineOptions { StepRows = options.StepRows });
        Check(faults, () => new EngineOptions { StepTokens = options.StepTokens });
        Check(faults, () => new EngineOptions { MaxLogitRows = options.MaxLogitRows });
        return faults.Build();
    }

    private static void Check(ValidateOptionsResultBuilder faults, Func<object> set)
    {
        try
        {
            _ = set();
        }
        catch (ArgumentException error)
        {
            faults.AddError(error.Message, error.ParamName);
        }
    }
}
