namespace Llama4Kernels.Engine.Chat;

/// <summary>Why an answer ended.</summary>
public enum FinishReason
{
    /// <summary>The model ended its turn (<c>&lt;|eot|&gt;</c>).</summary>
    EndOfTurn,

    /// <summary>The model ended a message but not its turn (<c>&lt;|eom|&gt;</c>): it waits for the result of a tool call.</summary>
    EndOfMessage,

    /// <summary>The model ended the text (<c>&lt;|end_of_text|&gt;</c>).</summary>
    EndOfText,

    /// <summary>A stop string of the options appeared; it is not part of the text.</summary>
    Stop,

    /// <summary>The constraint of the options is met and lets nothing follow; the model was not asked for a terminator.</summary>
    Complete,

    /// <summary>The limit on new tokens or the end of the context was reached, or a text that is taken apart has no end token.</summary>
    Length,

    /// <summary>The caller cancelled.</summary>
    Cancelled,
}
