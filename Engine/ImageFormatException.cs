namespace Llama4Kernels.Engine;

/// <summary>An image cannot be used: which one, and why.</summary>
internal sealed class ImageFormatException : Llama4Exception
{
    /// <summary>Describes one fault.</summary>
    /// <param name="source">The file's path, or what the caller calls the bytes.</param>
    /// <param name="reason">What is wrong and, where it helps, what to do.</param>
    /// <param name="inner">The cause, if another error led here.</param>
    public ImageFormatException(string source, string reason, Exception? inner = null)
        : base(Llama4Error.ImageFormat, $"{source}: {reason}", inner)
    {
        ImageSource = source;
        Reason = reason;
    }

    /// <summary>The file's path, or what the caller called the bytes.</summary>
    public string ImageSource { get; }
}
