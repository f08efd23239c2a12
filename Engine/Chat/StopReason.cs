namespace Llama4Kernels.Engine.Chat;

/// <summary>Why an answer ended.</summary>
public enum StopReason
{
    /// <summary>The model ended its turn with <c>&lt;|eot|&gt;</c>.</summary>
    EndOfTurn,

    /// <summary>The model ended the message with <c>&lt;|eom|&gt;</c> and expects a tool's result.</summary>
    EndOfMessage,

    /// <summary>The answer was cut, or no end was seen.</summary>
    OutOfTokens,
}
