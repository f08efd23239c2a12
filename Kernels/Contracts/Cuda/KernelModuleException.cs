namespace Llama4Kernels.Kernels.Contracts.Cuda;

/// <summary>Compiled device kernels are missing or damaged; the message says which and what to do.</summary>
public sealed class KernelModuleException : Exception
{
    /// <summary>What is wrong and what to do.</summary>
    /// <param name="message">For people.</param>
    /// <param name="cause">The error behind it, or null.</param>
    public KernelModuleException(string message, Exception? cause = null)
        : base(message, cause)
    {
    }
}
