namespace Llama4Kernels.Interop.Memory;

/// <summary>The system gave no executable memory; the message names the call and its error.</summary>
public sealed class ExecutableMemoryException : Exception
{
    /// <summary>An exception with a message.</summary>
    public ExecutableMemoryException(string message)
        : base(message)
    {
    }
}
