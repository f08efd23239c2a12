namespace Llama4Kernels.Engine.Constraints.JsonSchema;

/// <summary>One way to meet a condition.</summary>
/// <param name="Types">The types of value that it can hold for.</param>
/// <param name="Apply">What it demands of them; nothing if null.</param>
internal readonly record struct Option(TypeSet Types, Action<Conjunct>? Apply = null);
