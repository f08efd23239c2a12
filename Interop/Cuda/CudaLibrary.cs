using System.Reflection;
using System.Runtime.InteropServices;

namespace Llama4Kernels.Interop.Cuda;

/// <summary>Finds and loads the driver's library, once in a process.</summary>
internal static class CudaLibrary
{
    /// <summary>The name that <see cref="CudaNative"/> imports from; no file has it.</summary>
    public const string Name = "llama4-cuda-driver";

    private static readonly Lock s_lock = new();
    private static nint s_library;

    /// <summary>Where drivers install their library.</summary>
    public static IReadOnlyList<string> Candidates { get; } =
        OperatingSystem.IsWindows() ? ["nvcuda.dll"] : ["libcuda.so.1", "libcuda.so"];

    /// <summary>The functions that <see cref="CudaNative"/> imports.</summary>
    public static IReadOnlyList<string> Functions { get; } =
    [
        .. typeof(CudaNative).GetMethods(BindingFlags.Static | BindingFlags.NonPublic | BindingFlags.DeclaredOnly)
            .Select(method => method.Name).Where(name => name.StartsWith("cu", StringComparison.Ordinal)).Order(StringComparer.Ordinal),
    ];

    /// <summary>Loads the first library that is there and complete.</summary>
    /// <param name="candidates">File names or paths, best first.</param>
    /// <param name="reason">Why none could be used.</param>
    public static bool TryLoad(IReadOnlyList<string> candidates, out string reason)
    {
        lock (s_lock)
        {
            reason = string.Empty;
            if (s_library != 0)
            {
                return true;
            }
            foreach (string candidate in candidates)
            {
                if (!NativeLibrary.TryLoad(candidate, out nint library))
                {
                    continue;
                }
                string[] missing = [.. Functions.Where(name => !NativeLibrary.TryGetExport(library, name, out _))];
                if (missing.Length == 0)
                {
                    s_library = library;
                    NativeLibrary.SetDllImportResolver(typeof(CudaLibrary).Assembly, static (name, _, _) => name == Name ? s_library : 0);
                    return true;
                }
                NativeLibrary.Free(library);
                reason = $"{candidate} lacks {missing[0]}{(missing.Length > 1 ? $" and {missing.Length - 1} more functions" : "")}: a driver for CUDA 12 or newer is needed.";
            }
            if (reason.Length == 0)
            {
                reason = $"no CUDA driver is installed ({string.Join(", ", candidates)} not found).";
            }
            return false;
        }
    }
}
