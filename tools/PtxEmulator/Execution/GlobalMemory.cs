namespace Llama4Kernels.PtxEmulator.Execution;

/// <summary>Device memory: allocations at host addresses, with a byte of state per byte that says whether it was written.</summary>
internal sealed class GlobalMemory : IDisposable
{
    /// <summary>Undefined bytes at a multiple of 256; 0 if there is no memory.</summary>
    public nint Allocate(long bytes) => throw new NotImplementedException();

    /// <summary>False if no allocation begins at the address.</summary>
    public bool Free(nint address) => throw new NotImplementedException();

    /// <summary>The allocation that holds the whole range.</summary>
    public bool Contains(nint address, long bytes) => throw new NotImplementedException();

    /// <summary>A copy or a fill wrote these bytes.</summary>
    public void MarkDefined(nint address, long bytes) => throw new NotImplementedException();

    public void Dispose()
    {
    }
}
