namespace Llama4Kernels.PtxEmulator.Cases;

/// <summary>How a case ended.</summary>
public enum CaseOutcome
{
    /// <summary>All outputs are as expected, under all schedules.</summary>
    Passed,

    /// <summary>An output is not as expected.</summary>
    Failed,

    /// <summary>The emulator found something wrong with the kernel while it ran.</summary>
    Finding,

    /// <summary>The kernel has an instruction that the emulator does not execute.</summary>
    NotImplemented,
}

/// <summary>What running a case gave.</summary>
/// <param name="Case">The case's name.</param>
/// <param name="Outcome">How it ended.</param>
/// <param name="Message">What is to be said about it; empty if it passed.</param>
/// <param name="Outputs">What the last run wrote to its outputs; empty if it ended early.</param>
public sealed record CaseResult(string Case, CaseOutcome Outcome, string Message, IReadOnlyList<CaseTensor> Outputs);
