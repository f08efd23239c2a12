using Llama4Kernels.Kernels.Contracts.Cuda;

namespace Llama4Kernels.Cli.Shared;

/// <content>Native programs: ILGPU cannot run in one, so kernels were compiled when it was published.</content>
internal static partial class DeviceModules
{
    /// <summary>Compute capabilities of the devices that modules can be asked for.</summary>
    public static IReadOnlyList<int> Targets { get; } = [75, 80, 86, 89, 90];

    /// <summary>What there must be was seen to when the program was published.</summary>
    private static IReadOnlyList<string> CompiledNames => [];

    private static IKernelModules Compiler() =>
        throw new KernelModuleException($"The folder {FolderKernelModules.BesideProgram} with the compiled device kernels is missing, and a native program cannot compile them. Copy it from where the program was published.");
}
