namespace Llama4Kernels.Engine;

/// <summary>
/// What all of the engine's own errors have in common: a file, a request or a limit is at fault, and the message says what to do.
/// Wrong calls are <see cref="ArgumentException"/>s as everywhere.
/// </summary>
public abstract class Llama4Exception : Exception
{
    private protected Llama4Exception(string message, Exception? inner = null)
        : base(message, inner)
    {
    }
}
