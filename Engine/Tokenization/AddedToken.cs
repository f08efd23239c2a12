namespace Llama4Kernels.Engine.Tokenization;

/// <summary>A token that is found by its spelling, before the text is split and merged.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Content">Its spelling, not empty.</param>
/// <param name="IsSpecial">A control token: found only where the caller allows it. Any other one is found in every text.</param>
/// <param name="SingleWord">Only where no letter or digit touches it.</param>
/// <param name="TakesBefore">Takes the blanks before it.</param>
/// <param name="TakesAfter">Takes the blanks after it.</param>
/// <param name="IsNormalized">Looked for after the others, in what they left.</param>
internal sealed record AddedToken(int Id, string Content, bool IsSpecial, bool SingleWord = false, bool TakesBefore = false, bool TakesAfter = false, bool IsNormalized = false);
