using Llama4Kernels.Engine.Diagnostics;

namespace Llama4Kernels.Cli.Verification;

/// <summary>What a verification found.</summary>
/// <param name="Passed">Whether every file did, or with rounded activations all rows together.</param>
/// <param name="Activations">Precision of the activations.</param>
/// <param name="Weights">How the weights were loaded.</param>
/// <param name="Tolerance">Largest error of logits as a share of their range.</param>
/// <param name="Bound">With rounded activations: how far all rows together may be; null with float32.</param>
/// <param name="All">All rows of all files.</param>
/// <param name="Files">A report for each file of references.</param>
internal sealed record VerificationReport(bool Passed, string Activations, string Weights, double Tolerance, DivergenceBound? Bound, LogitDivergence? All, IReadOnlyList<ReferenceReport> Files);
