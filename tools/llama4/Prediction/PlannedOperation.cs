namespace Llama4Kernels.Cli.Prediction;

/// <summary>An operation of a planned step.</summary>
/// <param name="Name">What it is called in reports.</param>
/// <param name="FloorBytes">Bytes of weights and cache that it must read.</param>
/// <param name="FloorOperations">Operations of its products; a multiply-add is two.</param>
/// <param name="State">What its launches' work depends on beyond their arguments: positions, the choice of experts; empty for nothing.</param>
internal sealed record PlannedOperation(string Name, double FloorBytes = 0, double FloorOperations = 0, string State = "")
{
    /// <summary>Later operations read what it gives: all its blocks are run, not some.</summary>
    public bool RunsWhole { get; init; }

    /// <summary>Layer of an operation that looks at the cache; −1 for all others.</summary>
    public int CacheLayer { get; init; } = -1;
}
