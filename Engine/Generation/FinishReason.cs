namespace Llama4Kernels.Engine.Generation;

/// <summary>Why a generation ended.</summary>
public enum FinishReason
{
    /// <summary>The model ended its turn (&lt;|eot|&gt;).</summary>
    EndOfTurn,

    /// <summary>The model ended a message but not its turn (&lt;|eom|&gt;): it waits for the result of a tool call.</summary>
    EndOfMessage,

    /// <summary>The model ended the text (&lt;|end_of_text|&gt;).</summary>
    EndOfText,

    /// <summary>A stop string of the options appeared; it is not part of the text.</summary>
    Stop,

    /// <summary>The constraint of the options is met and lets nothing follow; the model was not asked for a terminator.</summary>
    Complete,

    /// <summary>The limit on new tokens or the end of the context was reached.</summary>
    Length,

    /// <summary>The caller cancelled.</summary>
    Cancelled,
}
