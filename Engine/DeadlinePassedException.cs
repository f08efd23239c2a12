namespace Llama4Kernels.Engine;

/// <summary>A request had not ended when its deadline passed; what it had said was delivered.</summary>
internal sealed class DeadlinePassedException : Llama4Exception
{
    /// <summary>Says how far it came.</summary>
    /// <param name="deadline">What was asked for.</param>
    /// <param name="tokens">Tokens that it had given; null if it still waited.</param>
    public DeadlinePassedException(TimeSpan deadline, int? tokens)
        : base(Llama4Error.DeadlinePassed, tokens is null
            ? $"The request's deadline of {deadline.TotalSeconds:0.###} s passed while it waited for its turn."
            : $"The request's deadline of {deadline.TotalSeconds:0.###} s passed after {tokens} tokens.")
    {
        Deadline = deadline;
        Tokens = tokens;
    }

    /// <summary>The time that it had.</summary>
    public TimeSpan Deadline { get; }

    /// <summary>Tokens that it had given; null if it still waited.</summary>
    public int? Tokens { get; }
}
