namespace Llama4Kernels.Interop.Cuda;

/// <summary>Options of the driver's PTX compiler; null leaves the driver's default.</summary>
public readonly record struct CudaJitOptions
{
    /// <summary>Registers of a thread, at most.</summary>
    public int? MaxRegisters { get; init; }

    /// <summary>0 to 4.</summary>
    public int? OptimizationLevel { get; init; }

    /// <summary>Keep line numbers for profilers.</summary>
    public bool LineInfo { get; init; }

    /// <summary>The information log tells registers, spills and shared memory of every kernel.</summary>
    public bool Verbose { get; init; }
}

/// <summary>What the driver's PTX compiler wrote.</summary>
/// <param name="Information">Registers, spills, warnings; empty if there were none.</param>
/// <param name="Errors">Errors with line numbers; empty if there were none.</param>
public readonly record struct CudaJitLog(string Information, string Errors)
{
    /// <summary>Both, errors first.</summary>
    internal string ToText() => string.Join(Environment.NewLine, new[] { Errors, Information }.Where(text => !string.IsNullOrWhiteSpace(text)));
}
