namespace Llama4Kernels.PtxEmulator.Findings;

/// <summary>A launch ended with a finding; memory may hold part of its results.</summary>
public sealed class PtxFindingException(PtxFinding finding) : Exception(finding.ToString())
{
    /// <summary>What was found.</summary>
    public PtxFinding Finding { get; } = finding;
}
