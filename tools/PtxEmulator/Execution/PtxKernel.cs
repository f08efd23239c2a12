namespace Llama4Kernels.PtxEmulator.Execution;

/// <summary>An entry, ready to launch.</summary>
internal sealed class PtxKernel
{
    public string Name => throw new NotImplementedException();

    /// <summary>Offset and size of each parameter in the parameter block, in order.</summary>
    public IReadOnlyList<(int Offset, int Bytes)> Parameters => throw new NotImplementedException();

    public int ParameterBytes => throw new NotImplementedException();

    /// <summary>Bytes of static shared memory.</summary>
    public int SharedBytes => throw new NotImplementedException();

    /// <summary>Bytes of the thread's local frame.</summary>
    public int LocalBytes => throw new NotImplementedException();

    /// <summary>Declared registers in use, in units of 32 bits: an upper bound of what an assembler would take.</summary>
    public int Registers => throw new NotImplementedException();

    /// <summary>Threads of .reqntid or .maxntid, or 1024.</summary>
    public int MaxThreads => throw new NotImplementedException();

    public bool RequiresCluster => throw new NotImplementedException();
}
