namespace Llama4Kernels.Engine;

/// <summary>A model file is malformed or does not fit the model: which file, what in it, and why.</summary>
internal sealed class ModelFormatException : Llama4Exception
{
    /// <summary>Describes one fault.</summary>
    /// <param name="file">The file.</param>
    /// <param name="field">The tensor, JSON field or offset, or null when the file as a whole is at fault.</param>
    /// <param name="reason">What is wrong and, where it helps, what to do.</param>
    /// <param name="inner">The cause, if another error led here.</param>
    public ModelFormatException(string file, string? field, string reason, Exception? inner = null)
        : base(Llama4Error.ModelFormat, field is null ? $"{file}: {reason}" : $"{file}: {field}: {reason}", inner)
    {
        File = file;
        Field = field;
        Reason = reason;
    }

    /// <summary>The file at fault.</summary>
    public string File { get; }

    /// <summary>The tensor, JSON field or offset at fault; null for the whole file.</summary>
    public string? Field { get; }
}
