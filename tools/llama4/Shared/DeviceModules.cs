using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.Kernels.Ilgpu;

namespace Llama4Kernels.Cli.Shared;

/// <summary>Where the program's device kernels come from: published with it, or compiled when asked for.</summary>
internal static class DeviceModules
{
    /// <summary>The folder of compiled kernels of this user, or null if the system names none.</summary>
    public static string? Cache
    {
        get
        {
            string? root = Environment.GetEnvironmentVariable("XDG_CACHE_HOME");
            if (string.IsNullOrEmpty(root))
            {
                root = OperatingSystem.IsWindows() || OperatingSystem.IsMacOS()
                    ? Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData)
                    : Environment.GetFolderPath(Environment.SpecialFolder.UserProfile) is { Length: > 0 } home ? Path.Combine(home, ".cache") : "";
            }
            return root.Length == 0 ? null : Path.Combine(root, "llama4kernels", "ptx");
        }
    }

    /// <summary>The kernels beside the program, or the compiler where there are none.</summary>
    /// <exception cref="KernelModuleException">The kernels beside the program are not this program's.</exception>
    public static IKernelModules Find() => Find(FolderKernelModules.BesideProgram);

    internal static IKernelModules Find(string folder)
    {
        if (!Directory.Exists(folder))
        {
            return new IlgpuKernelModules(Cache);
        }
        var modules = new FolderKernelModules(folder);
        string[] missing = [.. IlgpuKernels.All.Select(kernel => kernel.Name).Except(modules.Names, StringComparer.Ordinal)];
        return missing.Length == 0
            ? modules
            : throw new KernelModuleException($"{folder} lacks {missing.Length} of {IlgpuKernels.All.Count} device kernels, '{missing[0]}' among them. Publish the program again, or delete the folder: kernels are then compiled when they are needed.");
    }
}
