using System.Runtime.InteropServices;
using Llama4Kernels.Interop.Cuda;

namespace Llama4Kernels.Tests.Interop.Cuda;

/// <summary>Kernel parameters lie where PTX expects them.</summary>
public unsafe class CudaKernelArgumentsTests
{
    [Fact]
    public void EachParameterHasItsNaturalAlignment()
    {
        using var arguments = new CudaKernelArguments();
        arguments.Add((byte)1).Add((ushort)2).Add((byte)3).Add(4).Add((byte)5).Add((nint)6).Add(7f).Add(8.0).Add((Half)9);
        Assert.Equal([0, 2, 4, 8, 12, 16, 24, 32, 40], arguments.Offsets);
        Assert.Equal(42, arguments.Packed.Length);
        Assert.Equal(6, MemoryMarshal.Read<nint>(arguments.Packed[16..]));
        Assert.Equal(8.0, MemoryMarshal.Read<double>(arguments.Packed[32..]));
    }

    [Fact]
    public void AStructHasTheAlignmentOfItsWidestField()
    {
        using var arguments = new CudaKernelArguments();
        arguments.Add(1).Add(new View(0x1234, 55)).Add((byte)2).Add(new Three(1, 2, 3)).Add((byte)3).Add(new Bytes(1, 2, 3));
        Assert.Equal([0, 8, 24, 28, 40, 41], arguments.Offsets);
        Assert.Equal(new View(0x1234, 55), MemoryMarshal.Read<View>(arguments.Packed[8..]));
    }

    [Fact]
    public void ATensorMapLiesAtAMultipleOf64()
    {
        using var arguments = new CudaKernelArguments();
        CudaTensorMap map = default;
        map.Bytes.Fill(0x3C);
        arguments.Add(1).Add(map).Add(2).Add(map);
        Assert.Equal([0, 64, 192, 256], arguments.Offsets);
        Assert.Equal(0, (nint)arguments.Pointers[1] % 64);
        Assert.Equal(0, (nint)arguments.Pointers[3] % 64);
        Assert.Equal(-1, arguments.Packed[64..192].IndexOfAnyExcept((byte)0x3C));
    }

    [Fact]
    public void PaddingIsZeroAndPointersFollowTheOffsets()
    {
        using var arguments = new CudaKernelArguments();
        arguments.Add(byte.MaxValue).Add(ulong.MaxValue);
        Assert.Equal(-1, arguments.Packed[1..8].IndexOfAnyExcept((byte)0));
        Assert.Equal(8, (byte*)arguments.Pointers[1] - (byte*)arguments.Pointers[0]);
    }

    [Fact]
    public void AParameterCanBeChangedButNotItsSize()
    {
        using var arguments = new CudaKernelArguments();
        arguments.Add(1).Add(2L);
        arguments.Set(1, 77L);
        Assert.Equal(77L, *(long*)arguments.Pointers[1]);
        Assert.Contains("8 bytes, the new value 4", Assert.Throws<ArgumentException>(() => arguments.Set(1, 3)).Message);
        Assert.Throws<ArgumentOutOfRangeException>(() => arguments.Set(2, 3));
        arguments.Clear();
        Assert.Equal(0, arguments.Count);
        Assert.Equal(0, arguments.Packed.Length);
        Assert.Equal([0], arguments.Add(5).Offsets);
    }

    [Fact]
    public void WrongCallsAreRefused()
    {
        using var arguments = new CudaKernelArguments(16);
        arguments.Add(1L).Add(2);
        Assert.Contains("capacity of 16", Assert.Throws<InvalidOperationException>(() => arguments.Add(3L)).Message);
        Assert.Equal(2, arguments.Count);
        Assert.Throws<ArgumentOutOfRangeException>(() => arguments.Add(1, 3));
        Assert.Throws<ArgumentOutOfRangeException>(() => arguments.Add(1, 128));
        Assert.Throws<ArgumentOutOfRangeException>(() => new CudaKernelArguments(4097));
        arguments.Dispose();
        arguments.Dispose();
        Assert.Throws<ObjectDisposedException>(() => arguments.Add(1));
        Assert.Throws<ObjectDisposedException>(() => arguments.Set(0, 1L));
    }

    private readonly record struct View(nint Address, long Length);

    private readonly record struct Three(float X, float Y, float Z);

    private readonly record struct Bytes(byte A, byte B, byte C);
}
