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
        return IsStream(path) ? FileKind.Stream : FileKind.Regular;
    }

    private static bool IsStream(string path)
    {
        if (!OperatingSystem.IsLinux())
        {
            return path.StartsWith("/dev/", StringComparison.Ordinal);
        }
        const int CurrentFolder = -100, WantType = 1, ModeOffset = 28;
        const int TypeMask = 0xF000, RegularType = 0x8000;
        byte* status = stackalloc byte[256];
        return StatX(CurrentFolder, path, 0, WantType, status) == 0 && (*(ushort*)(status + ModeOffset) & TypeMask) != RegularType;
    }

    // The structure is the same on every processor, unlike that of stat.
    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int StatX(int folder, string path, int flags, uint mask, byte* status);
}
