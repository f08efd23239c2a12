namespace Llama4Kernels.PtxEmulator.Cases;

/// <summary>A case is malformed or does not fit its module: which file, what in it, and why.</summary>
/// <param name="file">The file.</param>
/// <param name="field">The JSON field or tensor at fault, or null for the whole file.</param>
/// <param name="reason">What is wrong.</param>
/// <param name="inner">The cause, if another error led here.</param>
public sealed class CaseFormatException(string file, string? field, string reason, Exception? inner = null)
    : Exception(field is null ? $"{file}: {reason}" : $"{file}: {field}: {reason}", inner)
{
    /// <summary>The file at fault.</summary>
    public string File { get; } = file;

    /// <summary>The JSON field or tensor at fault; null for the whole file.</summary>
    public string? Field { get; } = field;
}
