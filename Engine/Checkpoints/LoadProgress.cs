namespace Llama4Kernels.Engine.Checkpoints;

/// <summary>Progress of loading weights.</summary>
/// <param name="BytesDone">Checkpoint bytes packed so far.</param>
/// <param name="BytesTotal">Checkpoint bytes in total.</param>
/// <param name="Current">What is being packed.</param>
public readonly record struct LoadProgress(long BytesDone, long BytesTotal, string Current);
