using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.Kernels.Ilgpu;

namespace Llama4Kernels.Cli.Shared;

/// <content>Programs with the compiler.</content>
internal static partial class DeviceModules
{
    /// <summary>Compute capabilities that modules are made for.</summary>
    public static IReadOnlyList<int> Targets => IlgpuCompiler.Targets;

    private static IReadOnlyList<string> CompiledNames => [.. IlgpuKernels.All.Select(kernel => kernel.Name)];

    private static IlgpuKernelModules Compiler() => new(Cache);
}
