namespace Llama4Kernels.Engine.Constraints.Grammars;

/// <summary>Kinds of <see cref="GrammarToken"/>.</summary>
internal enum GrammarTokenKind
{
    /// <summary>A rule's or terminal's name.</summary>
    Name,

    /// <summary>A string in double quotes.</summary>
    String,

    /// <summary>An expression between slashes.</summary>
    Expression,

    /// <summary>A number.</summary>
    Number,

    /// <summary>%ignore and the like.</summary>
    Directive,

    /// <summary>%json with its schema.</summary>
    Schema,

    /// <summary>Anything else.</summary>
    Sign,

    /// <summary>The end of the grammar.</summary>
    End,
}
