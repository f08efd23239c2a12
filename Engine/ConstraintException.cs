namespace Llama4Kernels.Engine;

/// <summary>A schema, regular expression or grammar that cannot be kept to: malformed, not supported, or beyond a limit.</summary>
internal sealed class ConstraintException : Llama4Exception
{
    /// <summary>Names what is refused.</summary>
    /// <param name="keyword">The keyword, construct or limit.</param>
    /// <param name="place">Where it stands: a JSON pointer in a schema, a position in an expression; may be empty.</param>
    /// <param name="reason">Why, and what would be accepted.</param>
    public ConstraintException(string keyword, string place, string reason)
        : base(Llama4Error.Constraint, $"{(place.Length == 0 ? string.Empty : place + ": ")}{keyword}: {reason}")
    {
        Keyword = keyword;
        Place = place;
        Reason = reason;
    }

    /// <summary>The keyword, construct or limit.</summary>
    public string Keyword { get; }

    /// <summary>Where it stands: a JSON pointer in a schema, a position in an expression; may be empty.</summary>
    public string Place { get; }
}
