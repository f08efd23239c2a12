using System.Collections.Concurrent;
using Llama4Kernels.Kernels.Contracts.Cuda;

namespace Llama4Kernels.Kernels.Ilgpu;

/// <summary>The kernels of this assembly, compiled when asked for. May be used by several threads.</summary>
/// <param name="cacheFolder">Folder of compiled modules, or null to compile in every process.</param>
public sealed class IlgpuKernelModules(string? cacheFolder = null) : IKernelModules
{
    private readonly ConcurrentDictionary<(string Name, int Sm), KernelModule> _modules = new();

    /// <inheritdoc/>
    public IReadOnlyList<string> Names { get; } = [.. IlgpuKernels.All.Select(kernel => kernel.Name).Order(StringComparer.Ordinal)];

    /// <inheritdoc/>
    public KernelModule Get(string name, int sm)
    {
        int target = IlgpuCompiler.Targets.LastOrDefault(target => target <= sm);
        if (target == 0)
        {
            throw new ArgumentOutOfRangeException(nameof(sm), sm, $"Device kernels need sm_{IlgpuCompiler.Targets[0]} at least.");
        }
        return _modules.GetOrAdd((name, target), key => IlgpuCompiler.Compile(IlgpuKernels.Get(key.Name), key.Sm, cacheFolder));
    }
}
