using System.Text;

namespace Llama4Kernels.Interop.Cuda;

/// <summary>Code on a device.</summary>
public sealed class CudaModule : CudaHandle
{
    private CudaModule(CudaContext context, nint handle, CudaJitLog log)
        : base(context, handle, owns: true)
    {
        Log = log;
    }

    /// <summary>What the driver's PTX compiler wrote.</summary>
    public CudaJitLog Log { get; }

    /// <summary>Compiles PTX for the context's device.</summary>
    /// <param name="context">The context.</param>
    /// <param name="ptx">The text.</param>
    /// <param name="options">Compiler options.</param>
    /// <exception cref="CudaException">It does not compile; the exception has the compiler's log.</exception>
    public static CudaModule Load(CudaContext context, string ptx, CudaJitOptions options = default)
    {
        ArgumentNullException.ThrowIfNull(context);
        ArgumentException.ThrowIfNullOrWhiteSpace(ptx);
        return Load(context, ImageOf(ptx), options);
    }

    /// <summary>Loads a cubin, or PTX that ends with a zero byte.</summary>
    /// <param name="context">The context.</param>
    /// <param name="image">The bytes.</param>
    /// <param name="options">Compiler options for PTX.</param>
    public static CudaModule Load(CudaContext context, ReadOnlySpan<byte> image, CudaJitOptions options = default)
    {
        ArgumentNullException.ThrowIfNull(context);
        using (context.Bind())
        {
            CudaResult result = context.Driver.ModuleLoadData(out nint handle, image, options, out CudaJitLog log);
            context.Check(result, "cuModuleLoadDataEx", log.ToText());
            return new CudaModule(context, handle, log);
        }
    }

    /// <summary>A kernel of the module, usable until the module is disposed.</summary>
    /// <exception cref="CudaException">The module has no such entry.</exception>
    public CudaFunction GetFunction(string name)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        using (Context.Bind())
        {
            Context.Check(Driver.ModuleGetFunction(out nint function, Handle, name), $"cuModuleGetFunction({name})");
            return new CudaFunction(this, function, name);
        }
    }

    /// <summary>Address and bytes of a variable of the module.</summary>
    /// <exception cref="CudaException">The module has no such variable.</exception>
    public (nint Address, long Bytes) GetGlobal(string name)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        using (Context.Bind())
        {
            Context.Check(Driver.ModuleGetGlobal(out nint address, out nuint bytes, Handle, name), $"cuModuleGetGlobal({name})");
            return (address, checked((long)bytes));
        }
    }

    /// <summary>The driver reads text up to a zero byte.</summary>
    internal static byte[] ImageOf(string ptx)
    {
        byte[] image = new byte[Encoding.UTF8.GetByteCount(ptx) + 1];
        Encoding.UTF8.GetBytes(ptx, image);
        return image;
    }

    private protected override CudaResult Destroy(ICudaDriver driver, nint resource) => driver.ModuleUnload(resource);
}
