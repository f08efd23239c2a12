namespace Llama4Kernels.Engine;

/// <summary>The engine has stopped because of an error of its own, which is the inner one. It takes no more requests: make another one.</summary>
public sealed class EngineFailedException : Llama4Exception
{
    /// <summary>Says why it stopped.</summary>
    public EngineFailedException(Exception cause)
        : base("The engine has stopped because of an error of its own.", cause)
    {
    }
}
