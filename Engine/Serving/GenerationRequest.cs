using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Generation;

namespace Llama4Kernels.Engine.Serving;

/// <summary>
/// What is asked of an engine. A value out of range throws <see cref="ArgumentException"/> where it is set, so an instance is
/// always valid.
/// </summary>
/// <param name="Prompt">Ids and pictures.</param>
/// <param name="Options">Sampling, limits and stop strings; null for the defaults.</param>
public sealed record GenerationRequest(Prompt Prompt, GenerationOptions? Options = null)
{
    /// <summary>Ids and pictures.</summary>
    public Prompt Prompt
    {
        get;
        init => field = value ?? throw new ArgumentNullException(nameof(Prompt));
    } = Prompt ?? throw new ArgumentNullException(nameof(Prompt));

    /// <summary>
    /// Who waits is taken by priority, the highest first, and of equals who came first; those of lower priorities that run give
    /// way to it if there is no slot or no room. It also decides who gives way when the cache is full, but not how fast a request
    /// goes while it runs.
    /// </summary>
    public int Priority { get; init; }

    /// <summary>When it must have ended, counted from the call; null for no limit. More than zero.</summary>
    public TimeSpan? Deadline
    {
        get;
        init => field = value is null || value > TimeSpan.Zero ? value : throw new ArgumentException($"{nameof(Deadline)} must be more than zero, not {value}.", nameof(Deadline));
    }

    /// <summary>Requests share what is cached of their prompts only with those of the same salt, so that no tenant learns from the time it takes what another asked.</summary>
    public string Salt
    {
        get;
        init => field = value ?? throw new ArgumentNullException(nameof(Salt));
    } = string.Empty;

    /// <summary>
    /// Told the place in the queue while it changes, and then how much of the prompt is computed. It is called by whoever
    /// enumerates the updates, between them.
    /// </summary>
    public IProgress<GenerationProgress>? Progress { get; init; }
}
