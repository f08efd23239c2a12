using Llama4Kernels.Interop.Cuda;

namespace Llama4Kernels.Kernels.Contracts.Cuda;

/// <summary>A kernel that is loaded on the device.</summary>
internal sealed record CudaKernel(KernelModule Module, CudaFunction Function);

/// <summary>Loads kernels when they are first asked for, and keeps them.</summary>
internal sealed class CudaKernels(CudaContext context, IKernelModules modules) : IDisposable
{
    private readonly Dictionary<string, CudaKernel> _loaded = new(StringComparer.Ordinal);
    private readonly int _sm = 10 * context.Attribute(CudaDeviceAttribute.ComputeCapabilityMajor) + context.Attribute(CudaDeviceAttribute.ComputeCapabilityMinor);

    public IKernelModules Modules => modules;

    public CudaKernel this[string name]
    {
        get
        {
            if (!_loaded.TryGetValue(name, out CudaKernel? kernel))
            {
                KernelModule module = modules.Get(name, _sm);
                kernel = new CudaKernel(module, CudaModule.Load(context, module.Text).GetFunction(module.Name));
                _loaded.Add(name, kernel);
            }
            return kernel;
        }
    }

    public void Dispose()
    {
        foreach (CudaKernel kernel in _loaded.Values)
        {
            kernel.Function.Module.Dispose();
        }
        _loaded.Clear();
    }
}
