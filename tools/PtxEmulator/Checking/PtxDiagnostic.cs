namespace Llama4Kernels.PtxEmulator.Checking;

/// <summary>Something wrong with a module.</summary>
/// <param name="Line">Line, from 1.</param>
/// <param name="Column">Column, from 1.</param>
/// <param name="Severity">How bad it is.</param>
/// <param name="Message">What is wrong.</param>
public sealed record PtxDiagnostic(int Line, int Column, PtxSeverity Severity, string Message)
{
    /// <inheritdoc/>
    public override string ToString() => $"({Line},{Column}): {(Severity == PtxSeverity.Error ? "error" : "warning")}: {Message}";
}
