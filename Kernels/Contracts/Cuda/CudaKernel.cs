using Llama4Kernels.Interop.Cuda;

namespace Llama4Kernels.Kernels.Contracts.Cuda;

/// <summary>A kernel that is loaded on the device.</summary>
internal sealed class CudaKernel(KernelSpec spec, CudaFunction function)
{
    public KernelSpec Spec => spec;

    public CudaFunction Function => function;
}

/// <summary>Loads kernels when they are first asked for, and keeps them.</summary>
internal sealed class CudaKernels(CudaContext context, IKernelModules modules) : IDisposable
{
    private readonly Dictionary<string, CudaKernel> _loaded = new(StringComparer.Ordinal);

    public IKernelModules Modules => modules;

    public DeviceLimits Limits { get; } = DeviceLimits.Read(context);

    public CudaKernel this[string name]
    {
        get
        {
            if (!_loaded.TryGetValue(name, out CudaKernel? kernel))
            {
                KernelModule module = modules.Get(name, Limits.Sm);
                CudaFunction function = CudaModule.Load(context, module.Text).GetFunction(module.Name);
                if (module.Spec.SharedBytes > DeviceLimits.SharedBytesWithoutAsking)
                {
                    function.SetAttribute(CudaFunctionAttribute.MaxDynamicSharedSizeBytes, module.Spec.SharedBytes);
                }
                kernel = new CudaKernel(module.Spec, function);
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
