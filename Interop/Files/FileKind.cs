namespace Llama4Kernels.Interop.Files;

/// <summary>What stands at a path, links followed.</summary>
public enum FileKind
{
    /// <summary>Nothing, or a link to nothing.</summary>
    Missing,

    /// <summary>A regular file.</summary>
    Regular,

    /// <summary>A folder.</summary>
    Folder,

    /// <summary>A device, pipe or socket: bytes go through it, it is not replaced.</summary>
    Stream,
}
