using System.Runtime.InteropServices;

namespace Llama4Kernels.Interop.Cuda;

/// <summary>CUlaunchAttributeID.</summary>
internal enum LaunchAttributeId
{
    Cooperative = 2,
    ClusterDimension = 4,
    ProgrammaticStreamSerialization = 6,
}

/// <summary>CUlaunchAttribute: an id, and a value of 64 bytes at offset 8 of which at most three words are used here.</summary>
[StructLayout(LayoutKind.Explicit, Size = 72)]
internal struct LaunchAttribute
{
    [FieldOffset(0)]
    public LaunchAttributeId Id;

    [FieldOffset(8)]
    public uint X;

    [FieldOffset(12)]
    public uint Y;

    [FieldOffset(16)]
    public uint Z;
}

/// <summary>CUlaunchConfig.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct LaunchConfig
{
    /// <summary>Attributes that <see cref="Fill"/> writes at most.</summary>
    public const int MaxAttributes = 3;

    public uint GridX, GridY, GridZ;
    public uint BlockX, BlockY, BlockZ;
    public uint SharedBytes;
    public nint Stream;
    public LaunchAttribute* Attributes;
    public uint AttributeCount;

    /// <summary>Writes a launch's extents here and its attributes to <paramref name="attributes"/>, which must stay where they are.</summary>
    public static LaunchConfig Fill(in CudaLaunchConfig config, nint stream, LaunchAttribute* attributes)
    {
        uint count = 0;
        if (config.Cluster is CudaDim3 cluster)
        {
            attributes[count++] = new LaunchAttribute { Id = LaunchAttributeId.ClusterDimension, X = (uint)cluster.X, Y = (uint)cluster.Y, Z = (uint)cluster.Z };
        }
        if (config.Cooperative)
        {
            attributes[count++] = new LaunchAttribute { Id = LaunchAttributeId.Cooperative, X = 1 };
        }
        if (config.ProgrammaticSerialization)
        {
            attributes[count++] = new LaunchAttribute { Id = LaunchAttributeId.ProgrammaticStreamSerialization, X = 1 };
        }
        return new LaunchConfig
        {
            GridX = (uint)config.Grid.X,
            GridY = (uint)config.Grid.Y,
            GridZ = (uint)config.Grid.Z,
            BlockX = (uint)config.Block.X,
            BlockY = (uint)config.Block.Y,
            BlockZ = (uint)config.Block.Z,
            SharedBytes = (uint)config.SharedBytes,
            Stream = stream,
            Attributes = attributes,
            AttributeCount = count,
        };
    }
}

/// <summary>CUDA_KERNEL_NODE_PARAMS_v2.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct KernelNodeParameters
{
    public nint Function;
    public uint GridX, GridY, GridZ;
    public uint BlockX, BlockY, BlockZ;
    public uint SharedBytes;
    public void** Arguments;
    public void** Extra;
    public nint Kernel;
    public nint Context;
}

/// <summary>CUgraphExecUpdateResultInfo.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct GraphUpdateResult
{
    public int Result;
    public nint ErrorNode;
    public nint ErrorFromNode;
}
