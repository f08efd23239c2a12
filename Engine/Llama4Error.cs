namespace Llama4Kernels.Engine;

/// <summary>What a <see cref="Llama4Exception"/> is about.</summary>
public enum Llama4Error
{
    /// <summary>A model file is malformed or does not fit the model.</summary>
    ModelFormat,

    /// <summary>A picture cannot be used.</summary>
    ImageFormat,

    /// <summary>A schema, regular expression or grammar cannot be kept to: malformed, not supported, or beyond a limit.</summary>
    Constraint,

    /// <summary>A constraint allows neither a token nor the end of the answer.</summary>
    ConstraintDeadEnd,

    /// <summary>A prompt or a sequence does not fit into the context.</summary>
    ContextOverflow,

    /// <summary>A request does not fit the cache, even alone, or the cache's budget has no block left.</summary>
    CacheFull,

    /// <summary>As many requests wait as may. Nothing was done; try again later.</summary>
    QueueFull,

    /// <summary>A request had not ended when its deadline passed; what it had said was delivered.</summary>
    DeadlinePassed,

    /// <summary>The engine has stopped because of an error of its own, which is the inner one. It takes no more requests: make another one.</summary>
    EngineFailed,

    /// <summary>The model gave logits from which no token can be chosen: the weights or a kernel are broken.</summary>
    InvalidLogits,
}
