using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.Kernels.Ptx;

namespace Llama4Kernels.Tests.Kernels.Ptx;

/// <summary>The written kernels, each of which waits for the grid before it; one of them without its wait, if one is named.</summary>
internal sealed class WaitlessModules(string? kernel) : IKernelModules
{
    private const string Wait = "griddepcontrol.wait;";

    public IReadOnlyList<string> Names => PtxKernelModules.All.Names;

    public KernelModule Get(string name, int sm)
    {
        KernelModule module = PtxKernelModules.All.Get(name, sm);
        Assert.True(module.Spec.DependentLaunch && module.Text.Contains(Wait, StringComparison.Ordinal));
        return name == kernel ? module with { Text = module.Text.Replace(Wait, "", StringComparison.Ordinal) } : module;
    }
}
