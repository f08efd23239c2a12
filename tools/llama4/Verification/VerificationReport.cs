using Llama4Kernels.Engine.Diagnostics;

namespace Llama4Kernels.Cli.Verification;

/// <summary>What a verification found.</summary>
/// <param name="Passed">Whether every file did.</param>
/// <param name="Activations">Precision of the activations.</param>
/// <param name="Weights">How the weights were loaded.</param>
/// <param name="Tolerance">Largest error of logits as a share of their range.</param>
/// <param name="Files">A report for each file of references.</param>
internal sealed record VerificationReport(bool Passed, string Activations, string Weights, double Tolerance, IReadOnlyList<ReferenceReport> Files);
