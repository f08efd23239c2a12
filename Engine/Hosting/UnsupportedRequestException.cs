namespace Llama4Kernels.Hosting;

/// <summary>A request asks for something that cannot be honoured. Nothing was computed; nothing of it was ignored.</summary>
public sealed class UnsupportedRequestException : NotSupportedException
{
    /// <summary>Says what cannot be honoured and why.</summary>
    /// <param name="subject">The option or the kind of content, as <c>ChatOptions.ConversationId</c>.</param>
    /// <param name="reason">Why, and what to do instead.</param>
    /// <param name="inner">What it follows from; null for none.</param>
    public UnsupportedRequestException(string subject, string reason, Exception? inner = null)
        : base($"{subject}: {reason}", inner) => (Subject, Reason) = (subject, reason);

    /// <summary>The option or the kind of content.</summary>
    public string Subject { get; }

    /// <summary>Why it cannot be honoured.</summary>
    public string Reason { get; }
}
