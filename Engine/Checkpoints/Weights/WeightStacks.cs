namespace Llama4Kernels.Engine.Checkpoints.Weights;

/// <summary>Which weights are packed as one matrix, one below the other, because they multiply the same input.</summary>
internal static class WeightStacks
{
    private static readonly WeightRole[][] s_stacks =
    [
        [WeightRole.Query, WeightRole.Key, WeightRole.Value],
        [WeightRole.Gate, WeightRole.Up],
        [WeightRole.SharedGate, WeightRole.SharedUp],
        [WeightRole.ExpertGate, WeightRole.ExpertUp],
        [WeightRole.VisionQuery, WeightRole.VisionKey, WeightRole.VisionValue],
    ];

    /// <summary>The roles of the matrix that a weight of a role is in, from the first row on.</summary>
    public static ReadOnlySpan<WeightRole> Of(WeightRole role) => Array.Find(s_stacks, stack => stack.Contains(role)) ?? [role];

    /// <summary>Whether a weight is packed: vectors and tables are read as they are.</summary>
    public static bool IsPacked(Weight weight) => !weight.IsVector && weight.Role is not (WeightRole.Embedding or WeightRole.Positions);

    /// <summary>Whether a weight is the first of its matrix.</summary>
    public static bool IsFirst(Weight weight) => IsPacked(weight) && Of(weight.Role)[0] == weight.Role;
}
