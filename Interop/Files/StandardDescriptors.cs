using System.Runtime.InteropServices;

namespace Llama4Kernels.Interop.Files;

/// <summary>The descriptors 0, 1 and 2 that a process is started with, or without.</summary>
public static partial class StandardDescriptors
{
    /// <summary>
    /// Whether the process was started with this descriptor. One that was closed is soon in use again, for whatever the runtime
    /// opened first: reading it would wait for ever, writing it would damage something.
    /// </summary>
    /// <param name="descriptor">0 for input, 1 for output, 2 for errors.</param>
    public static bool IsOpen(int descriptor)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(descriptor);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(descriptor, 2);
        if (OperatingSystem.IsWindows())
        {
            return true;
        }
        const int GetFlags = 1, CloseOnExec = 1;
        int flags = Control(descriptor, GetFlags);
        // What the process inherited was open across exec; what the runtime opens closes there.
        return flags >= 0 && (flags & CloseOnExec) == 0;
    }

    [LibraryImport("libc", EntryPoint = "fcntl")]
    private static partial int Control(int descriptor, int command);
}
