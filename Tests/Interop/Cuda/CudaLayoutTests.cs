using System.Runtime.InteropServices;
using Llama4Kernels.Interop.Cuda;

namespace Llama4Kernels.Tests.Interop.Cuda;

/// <summary>The layouts that cuda.h has on 64-bit systems, and what is written into them.</summary>
public unsafe class CudaLayoutTests
{
    [Fact]
    public void StructsHaveTheDriversSizes()
    {
        Assert.Equal(72, sizeof(LaunchAttribute));
        Assert.Equal(56, sizeof(LaunchConfig));
        Assert.Equal(72, sizeof(KernelNodeParameters));
        Assert.Equal(24, sizeof(GraphUpdateResult));
        Assert.Equal(128, sizeof(CudaTensorMap));
        Assert.Equal(64, sizeof(CudaIpcHandle));
        Assert.Equal(4, sizeof(CudaResult));
    }

    [Theory]
    [InlineData(typeof(LaunchAttribute), "Id", 0)]
    [InlineData(typeof(LaunchAttribute), "X", 8)]
    [InlineData(typeof(LaunchAttribute), "Y", 12)]
    [InlineData(typeof(LaunchAttribute), "Z", 16)]
    [InlineData(typeof(LaunchConfig), "GridX", 0)]
    [InlineData(typeof(LaunchConfig), "GridZ", 8)]
    [InlineData(typeof(LaunchConfig), "BlockX", 12)]
    [InlineData(typeof(LaunchConfig), "SharedBytes", 24)]
    [InlineData(typeof(LaunchConfig), "Stream", 32)]
    [InlineData(typeof(LaunchConfig), "Attributes", 40)]
    [InlineData(typeof(LaunchConfig), "AttributeCount", 48)]
    [InlineData(typeof(KernelNodeParameters), "Function", 0)]
    [InlineData(typeof(KernelNodeParameters), "GridX", 8)]
    [InlineData(typeof(KernelNodeParameters), "BlockX", 20)]
    [InlineData(typeof(KernelNodeParameters), "SharedBytes", 32)]
    [InlineData(typeof(KernelNodeParameters), "Arguments", 40)]
    [InlineData(typeof(KernelNodeParameters), "Extra", 48)]
    [InlineData(typeof(KernelNodeParameters), "Kernel", 56)]
    [InlineData(typeof(KernelNodeParameters), "Context", 64)]
    [InlineData(typeof(GraphUpdateResult), "Result", 0)]
    [InlineData(typeof(GraphUpdateResult), "ErrorNode", 8)]
    [InlineData(typeof(GraphUpdateResult), "ErrorFromNode", 16)]
    public void FieldsLieWhereTheDriverReadsThem(Type type, string field, int offset) =>
        Assert.Equal(offset, (int)Marshal.OffsetOf(type, field));

    [Fact]
    public void APlainLaunchHasNoAttributes()
    {
        var attributes = stackalloc LaunchAttribute[LaunchConfig.MaxAttributes];
        LaunchConfig config = LaunchConfig.Fill(new CudaLaunchConfig(new(5, 6, 7), new(32, 2, 3), 99), 0x55, attributes);
        Assert.Equal((5u, 6u, 7u), (config.GridX, config.GridY, config.GridZ));
        Assert.Equal((32u, 2u, 3u), (config.BlockX, config.BlockY, config.BlockZ));
        Assert.Equal((99u, 0x55, 0u), (config.SharedBytes, config.Stream, config.AttributeCount));
    }

    [Fact]
    public void AttributesCarryTheDriversNumbers()
    {
        var attributes = stackalloc LaunchAttribute[LaunchConfig.MaxAttributes];
        new Span<byte>(attributes, LaunchConfig.MaxAttributes * sizeof(LaunchAttribute)).Fill(0xFF);
        var launch = new CudaLaunchConfig(new(8), new(128)) { Cluster = new(4, 2, 1), Cooperative = true, ProgrammaticSerialization = true };
        LaunchConfig config = LaunchConfig.Fill(launch, 0, attributes);
        Assert.Equal(3u, config.AttributeCount);
        Assert.True(config.Attributes == attributes);
        Assert.Equal((4, 4u, 2u, 1u), ((int)attributes[0].Id, attributes[0].X, attributes[0].Y, attributes[0].Z));
        Assert.Equal((2, 1u, 0u, 0u), ((int)attributes[1].Id, attributes[1].X, attributes[1].Y, attributes[1].Z));
        Assert.Equal((6, 1u, 0u, 0u), ((int)attributes[2].Id, attributes[2].X, attributes[2].Y, attributes[2].Z));
    }

    [Fact]
    public void JitOptionsStandInThePlaceOfPointers()
    {
        int* keys = stackalloc int[8];
        void** values = stackalloc void*[8];
        byte* information = (byte*)0x1000, errors = (byte*)0x2000;
        int count = CudaDriver.FillJitOptions(default, information, errors, keys, values);
        Assert.Equal([3, 4, 5, 6], new Span<int>(keys, count).ToArray());
        Assert.Equal([0x1000, 65536, 0x2000, 65536], Values(values, count));

        count = CudaDriver.FillJitOptions(new CudaJitOptions { MaxRegisters = 168, OptimizationLevel = 3, Verbose = true, LineInfo = true }, information, errors, keys, values);
        Assert.Equal([3, 4, 5, 6, 0, 7, 12, 13], new Span<int>(keys, count).ToArray());
        Assert.Equal([0x1000, 65536, 0x2000, 65536, 168, 3, 1, 1], Values(values, count));
    }

    [Theory]
    [InlineData(CudaResult.Success, "CUDA_SUCCESS (0)", false)]
    [InlineData(CudaResult.OutOfMemory, "CUDA_ERROR_OUT_OF_MEMORY (2)", false)]
    [InlineData(CudaResult.InvalidPtx, "CUDA_ERROR_INVALID_PTX (218)", false)]
    [InlineData(CudaResult.IllegalAddress, "CUDA_ERROR_ILLEGAL_ADDRESS (700)", true)]
    [InlineData(CudaResult.LaunchOutOfResources, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES (701)", false)]
    [InlineData(CudaResult.MisalignedAddress, "CUDA_ERROR_MISALIGNED_ADDRESS (716)", true)]
    [InlineData(CudaResult.LaunchFailed, "CUDA_ERROR_LAUNCH_FAILED (719)", true)]
    [InlineData(CudaResult.EccUncorrectable, "CUDA_ERROR_ECC_UNCORRECTABLE (214)", true)]
    [InlineData((CudaResult)12345, "CUDA error 12345", false)]
    public void ResultsHaveNames(CudaResult result, string name, bool sticky)
    {
        Assert.Equal(name, result.Name());
        Assert.Equal(sticky, result.IsSticky());
    }

    private static nint[] Values(void** values, int count)
    {
        nint[] copy = new nint[count];
        for (int i = 0; i < count; i++)
        {
            copy[i] = (nint)values[i];
        }
        return copy;
    }
}
