namespace Llama4Kernels.Engine;

/// <summary>
/// An error of the engine's own: a file, a request or a limit is at fault, and the message says which, where and what to do.
/// Wrong calls are <see cref="ArgumentException"/>s as everywhere.
/// </summary>
public abstract class Llama4Exception : Exception
{
    private protected Llama4Exception(Llama4Error kind, string message, Exception? inner = null)
        : base(message, inner)
    {
        Kind = kind;
        Reason = message;
    }

    /// <summary>What it is about.</summary>
    public Llama4Error Kind { get; }

    /// <summary>What is wrong, without where: the message, but for a file's or picture's name and the place in it.</summary>
    public string Reason { get; private protected init; }
}
