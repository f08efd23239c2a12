using System.Runtime.InteropServices;

namespace Llama4Kernels.Interop.Memory;

/// <summary>
/// Machine code in memory that is written first and executable afterwards, never both at once (W^X).
/// </summary>
public sealed unsafe class ExecutableMemory : SafeHandle
{
    private const int ProtExec = 4;
    private const uint PageExecuteRead = 0x20;

    private readonly nuint _length;

    private ExecutableMemory(nint address, nuint length)
        : base(0, ownsHandle: true)
    {
        _length = length;
        SetHandle(address);
    }

    /// <inheritdoc/>
    public override bool IsInvalid => handle is 0 or -1;

    /// <summary>Address of the first instruction.</summary>
    public nint Address => handle;

    /// <summary>Copies position-independent code into executable memory.</summary>
    /// <exception cref="PlatformNotSupportedException">The system refuses executable memory; the message says at which step.</exception>
    public static ExecutableMemory Create(ReadOnlySpan<byte> code)
    {
        nuint length = (nuint)code.Length;
        nint address = SystemMemory.Allocate(length, isSparse: false);
        if (address is 0 or -1)
        {
            throw new PlatformNotSupportedException($"The system gives no memory for generated code (error {Marshal.GetLastPInvokeError()}).");
        }
        var memory = new ExecutableMemory(address, length);
        code.CopyTo(new Span<byte>((void*)address, code.Length));
        bool done = OperatingSystem.IsWindows()
            ? SystemMemory.VirtualProtect(address, length, PageExecuteRead, out _)
            : SystemMemory.Protect(address, length, SystemMemory.ProtRead | ProtExec) == 0;
        if (!done)
        {
            int error = Marshal.GetLastPInvokeError();
            memory.Dispose();
            throw new PlatformNotSupportedException($"The system does not let generated code become executable (error {error}).");
        }
        return memory;
    }

    /// <inheritdoc/>
    protected override bool ReleaseHandle() => SystemMemory.Free(handle, _length);
}
