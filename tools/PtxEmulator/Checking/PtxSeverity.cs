namespace Llama4Kernels.PtxEmulator.Checking;

/// <summary>How bad a diagnostic is.</summary>
public enum PtxSeverity
{
    /// <summary>An assembler takes it; it is dangerous or not what was meant.</summary>
    Warning,

    /// <summary>An assembler refuses it.</summary>
    Error,
}
