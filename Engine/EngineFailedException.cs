namespace Llama4Kernels.Engine;

/// <summary>The engine has stopped because of an error of its own, which is the inner one. It takes no more requests: make another one.</summary>
internal sealed class EngineFailedException : Llama4Exception
{
    /// <summary>Says why it stopped.</summary>
    public EngineFailedException(Exception cause)
        : base(Llama4Error.EngineFailed, "The engine has stopped because of an error of its own.", cause)
    {
    }
}
