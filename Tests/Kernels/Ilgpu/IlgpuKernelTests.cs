using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Tests.Kernels.Ilgpu;

/// <summary>The kernels in groups of one warp.</summary>
public sealed class IlgpuKernelTests() : DeviceKernelTests(new CpuDeviceRunner(threads: 4))
{
    [Fact]
    public void NumberFormatsAgreeWithTheProcessorOverAllCodes()
    {
        for (int code = 0; code < 0x10000; code++)
        {
            Assert.Equal(Bf16.ToSingle((ushort)code), DeviceMath.FromBf16((ushort)code));
            Assert.Equal((float)BitConverter.UInt16BitsToHalf((ushort)code), DeviceMath.FromHalf((ushort)code));
            float between = BitConverter.UInt32BitsToSingle(((uint)code << 16) | (uint)(code * 40503 & 0xffff) | 0x8000u);
            Assert.Equal(Bf16.FromSingle(between), DeviceMath.ToBf16(between));
            Assert.Equal(float.IsNaN(between) ? 0x7f : Fp8.FromSingle(between), DeviceMath.ToFp8(between) & (float.IsNaN(between) ? 0x7f : 0xff));
        }
        for (int code = 0; code < 256; code++)
        {
            float value = Fp8.ToSingle((byte)code);
            Assert.Equal(value, DeviceMath.FromFp8((byte)code));
            // Ties and their neighbours.
            foreach (float near in (float[])[value, (value + Fp8.ToSingle((byte)(code ^ 1))) / 2, MathF.BitIncrement(value), 1.03125f * value])
            {
                Assert.Equal(Fp8.FromSingle(near) & (float.IsNaN(near) ? 0x7f : 0xff), DeviceMath.ToFp8(near) & (float.IsNaN(near) ? 0x7f : 0xff));
            }
        }
        for (float x = -87f; x < 88f; x += 0.37f)
        {
            Assert.Equal(1, DeviceMath.Exp(x) / Math.Exp(x), 4e-7);
        }
    }
}

/// <summary>The kernels in groups of two warps, whose sums meet in shared memory.</summary>
public sealed class IlgpuTwoWarpKernelTests() : DeviceKernelTests(new CpuDeviceRunner(threads: 8));

/// <summary>The kernels in groups of half a warp, which cannot exchange lanes.</summary>
public sealed class IlgpuHalfWarpKernelTests() : DeviceKernelTests(new CpuDeviceRunner(threads: 2));
