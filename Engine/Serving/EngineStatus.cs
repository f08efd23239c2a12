namespace Llama4Kernels.Engine.Serving;

/// <summary>What an engine does at a moment.</summary>
/// <param name="Running">Requests whose sequences take part in steps.</param>
/// <param name="Waiting">Requests that wait for their turn, or to go on after they gave way.</param>
/// <param name="CacheBytes">The budget of cached keys and values; never more is used.</param>
/// <param name="UsedBytes">Bytes of it in use, kept prefixes included.</param>
/// <param name="Steps">Steps that were run so far.</param>
/// <param name="Preemptions">How often a request gave its blocks up for another and was computed again.</param>
public readonly record struct EngineStatus(int Running, int Waiting, long CacheBytes, long UsedBytes, long Steps, long Preemptions);
