using Llama4Kernels.PtxEmulator.Parsing;

namespace Llama4Kernels.PtxEmulator.Execution;

/// <summary>A loaded module: decoded code, and its variables in device memory.</summary>
internal sealed class PtxProgram : IDisposable
{
    /// <exception cref="PtxSyntaxException">The module names something that is not there.</exception>
    public static PtxProgram Load(PtxModule module, GlobalMemory memory) => throw new NotImplementedException();

    /// <summary>The kernel of a name, or null. Its instructions are decoded at the first call.</summary>
    public PtxKernel? Kernel(string name) => throw new NotImplementedException();

    public bool TryVariable(string name, out nint address, out long bytes) => throw new NotImplementedException();

    public void Dispose()
    {
    }
}
