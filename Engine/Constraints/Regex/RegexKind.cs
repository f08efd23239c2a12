namespace Llama4Kernels.Engine.Constraints.Regex;

/// <summary>The operators of <see cref="RegexNode"/>.</summary>
internal enum RegexKind
{
    /// <summary>No text.</summary>
    Nothing,

    /// <summary>The empty text.</summary>
    Empty,

    /// <summary>One code point of a set.</summary>
    Set,

    /// <summary>The first child, then the second.</summary>
    Concat,

    /// <summary>Any child.</summary>
    Or,

    /// <summary>All children at once.</summary>
    And,

    /// <summary>Whatever the child is not.</summary>
    Not,

    /// <summary>The child, min to max times.</summary>
    Loop,

    /// <summary>Any number of rounds of a part that looks ahead, then the child, which reaches to the end of the whole text.</summary>
    Rounds,

    /// <summary>The beginning of the text.</summary>
    Begin,

    /// <summary>The end of the text.</summary>
    End,

    /// <summary>Between a word character and another.</summary>
    WordBoundary,

    /// <summary>Not at a word boundary.</summary>
    NoWordBoundary,
}
