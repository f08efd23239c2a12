using System.Runtime.InteropServices;

namespace Llama4Kernels.Interop.Files;

/// <summary>Tells files, folders and streams apart, which .NET does not.</summary>
public static unsafe partial class FileKinds
{
    /// <summary>What stands at a path, links followed.</summary>
    public static FileKind Of(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (Directory.Exists(path))
        {
            return FileKind.Folder;
        }
        if (!File.Exists(path))
        {
            return FileKind.Missing;
        }
        if (!OperatingSystem.IsLinux())
        {
            return path.StartsWith("/dev/", StringComparison.Ordinal) ? FileKind.Stream : FileKind.Regular;
        }
        const int CurrentFolder = -100, WantType = 1, ModeOffset = 28;
        const int TypeMask = 0xF000, RegularType = 0x8000;
        byte* status = stackalloc byte[256];
        // A link to nothing exists, but nothing stands behind it.
        return StatX(CurrentFolder, path, 0, WantType, status) != 0 ? FileKind.Missing
            : (*(ushort*)(status + ModeOffset) & TypeMask) == RegularType ? FileKind.Regular
            : FileKind.Stream;
    }

    // The structure is the same on every processor, unlike that of stat.
    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int StatX(int folder, string path, int flags, uint mask, byte* status);
}
