namespace Llama4Kernels.Interop.Cuda;

/// <summary>A kernel of a module.</summary>
public sealed unsafe class CudaFunction
{
    private readonly nint _handle;
    private int _dynamicSharedBytes;

    internal CudaFunction(CudaModule module, nint handle, string name)
    {
        Module = module;
        _handle = handle;
        Name = name;
        _dynamicSharedBytes = Attribute(CudaFunctionAttribute.MaxDynamicSharedSizeBytes);
    }

    /// <summary>The module, which must not be disposed while the kernel is used.</summary>
    public CudaModule Module { get; }

    /// <summary>Name of the entry.</summary>
    public string Name { get; }

    /// <summary>The driver's handle (CUfunction).</summary>
    /// <exception cref="ObjectDisposedException">The module was disposed.</exception>
    public nint Handle
    {
        get
        {
            ObjectDisposedException.ThrowIf(Module.IsClosed, Module);
            return _handle;
        }
    }

    private CudaContext Context => Module.Context;

    /// <summary>Registers, spills and limits of the compiled kernel.</summary>
    public int Attribute(CudaFunctionAttribute attribute)
    {
        using (Context.Bind())
        {
            Context.Check(Context.Driver.FuncGetAttribute(out int value, attribute, Handle), $"cuFuncGetAttribute({Name}, {attribute})");
            return value;
        }
    }

    /// <summary>Sets one of the attributes that can be set.</summary>
    public void SetAttribute(CudaFunctionAttribute attribute, int value)
    {
        using (Context.Bind())
        {
            Context.Check(Context.Driver.FuncSetAttribute(Handle, attribute, value), $"cuFuncSetAttribute({Name}, {attribute}, {value})");
            if (attribute == CudaFunctionAttribute.MaxDynamicSharedSizeBytes)
            {
                _dynamicSharedBytes = value;
            }
        }
    }

    /// <summary>Blocks that a multiprocessor holds at once.</summary>
    /// <param name="threadsPerBlock">Threads of a block.</param>
    /// <param name="dynamicSharedBytes">Dynamic shared memory of a block.</param>
    public int BlocksPerMultiprocessor(int threadsPerBlock, int dynamicSharedBytes = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(threadsPerBlock);
        ArgumentOutOfRangeException.ThrowIfNegative(dynamicSharedBytes);
        using (Context.Bind())
        {
            Context.Check(
                Context.Driver.OccupancyMaxActiveBlocksPerMultiprocessor(out int blocks, Handle, threadsPerBlock, (nuint)dynamicSharedBytes),
                $"cuOccupancyMaxActiveBlocksPerMultiprocessor({Name})");
            return blocks;
        }
    }

    /// <summary>
    /// Puts the kernel into a stream. A launch that asks for more dynamic shared memory than the kernel may have so far
    /// (48 KiB by default) raises that limit first.
    /// </summary>
    /// <param name="stream">The stream.</param>
    /// <param name="config">Extents and attributes.</param>
    /// <param name="arguments">The kernel's parameters in order; copied, so that they can be changed at once.</param>
    /// <exception cref="ArgumentException">The extents are impossible on every device.</exception>
    /// <exception cref="CudaException">The device refuses the launch, or earlier work failed.</exception>
    public void Launch(CudaStream stream, in CudaLaunchConfig config, CudaKernelArguments arguments)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentNullException.ThrowIfNull(arguments);
        config.Validate();
        using (Context.Bind())
        {
            if (config.SharedBytes > _dynamicSharedBytes)
            {
                SetAttribute(CudaFunctionAttribute.MaxDynamicSharedSizeBytes, config.SharedBytes);
            }
            CudaResult result = Context.Driver.LaunchKernel(Handle, config, stream.Handle, arguments.Pointers);
            if (result != CudaResult.Success)
            {
                Context.Check(result, $"{(config.HasAttributes ? "cuLaunchKernelEx" : "cuLaunchKernel")}({Name}, grid {config.Grid}, block {config.Block}, {config.SharedBytes} bytes shared)");
            }
        }
    }
}
