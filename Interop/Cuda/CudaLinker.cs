using System.Text;

namespace Llama4Kernels.Interop.Cuda;

/// <summary>
/// Makes one module of several inputs which call each other's functions. After an input was refused a linker can only be
/// disposed.
/// </summary>
public sealed class CudaLinker : CudaHandle
{
    private CudaLinker(CudaContext context, nint handle)
        : base(context, handle, owns: true)
    {
    }

    /// <summary>What the driver's compiler and linker wrote so far.</summary>
    /// <exception cref="ObjectDisposedException">The linker was disposed.</exception>
    public CudaJitLog Log => Driver.LinkLog(Handle);

    /// <summary>A linker for the context's device.</summary>
    /// <param name="context">The context.</param>
    /// <param name="options">Compiler options, for all inputs.</param>
    public static CudaLinker Create(CudaContext context, CudaJitOptions options = default)
    {
        ArgumentNullException.ThrowIfNull(context);
        using (context.Bind())
        {
            context.Check(context.Driver.LinkCreate(out nint handle, options), "cuLinkCreate");
            return new CudaLinker(context, handle);
        }
    }

    /// <summary>Adds PTX.</summary>
    /// <param name="ptx">The text.</param>
    /// <param name="name">What messages call it.</param>
    /// <returns>This.</returns>
    /// <exception cref="CudaException">It does not compile; the exception has the log.</exception>
    public CudaLinker AddPtx(string ptx, string name)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(ptx);
        return Add(CudaLinkInput.Ptx, CudaModule.ImageOf(ptx), name);
    }

    /// <summary>Adds an input.</summary>
    /// <param name="kind">What it is.</param>
    /// <param name="data">Its bytes, read before the call returns.</param>
    /// <param name="name">What messages call it.</param>
    /// <returns>This.</returns>
    /// <exception cref="ArgumentException">There are no bytes.</exception>
    /// <exception cref="CudaException">The driver refuses it; the exception has the log.</exception>
    public CudaLinker Add(CudaLinkInput kind, ReadOnlySpan<byte> data, string name)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        if (data.IsEmpty)
        {
            throw new ArgumentException($"The input '{name}' is empty.", nameof(data));
        }
        using (Context.Bind())
        {
            Check(Driver.LinkAddData(Handle, kind, data, name), $"cuLinkAddData({name})");
            return this;
        }
    }

    /// <summary>Links what was added.</summary>
    /// <returns>An image for <see cref="CudaModule.Load(CudaContext, ReadOnlySpan{byte}, CudaJitOptions)"/>, which outlives the linker.</returns>
    /// <exception cref="CudaException">A name is missing or defined twice; the exception has the log.</exception>
    public byte[] Complete()
    {
        using (Context.Bind())
        {
            Check(Driver.LinkComplete(Handle, out byte[] image), "cuLinkComplete");
            return image;
        }
    }

    private protected override CudaResult Destroy(ICudaDriver driver, nint resource) => driver.LinkDestroy(resource);

    private void Check(CudaResult result, string call)
    {
        if (result != CudaResult.Success)
        {
            Context.Check(result, call, Log.ToText());
        }
    }
}
