using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.PtxEmulator.Driver;

namespace Llama4Kernels.Tests.Kernels.Backends.Cuda;

/// <summary>Parts of device memory: they never overlap, and what was returned is whole again.</summary>
public sealed class DeviceArenaTests
{
    [Fact]
    public void PartsNeverOverlapAndFreeRangesGrowTogether()
    {
        using var driver = new EmulatedCudaDriver();
        using CudaContext context = CudaContext.RetainPrimary(driver);
        using CudaStream stream = CudaStream.Create(context);
        using var arena = new DeviceArena(stream, 1 << 16);
        var random = new Random(11);
        List<(nint Address, long Bytes)> taken = [];
        for (int i = 0; i < 2000; i++)
        {
            if (taken.Count > 0 && random.Next(3) == 0)
            {
                int at = random.Next(taken.Count);
                arena.Return(taken[at].Address, taken[at].Bytes);
                taken.RemoveAt(at);
                continue;
            }
            long bytes = random.Next(0, 9000);
            nint address = arena.Take(bytes);
            Assert.Equal(0, address % DeviceArena.Alignment);
            Assert.DoesNotContain(taken, other => address < other.Address + Math.Max(other.Bytes, 1) && other.Address < address + Math.Max(bytes, 1));
            taken.Add((address, bytes));
        }
        long held = arena.Bytes;
        foreach ((nint address, long bytes) in taken)
        {
            arena.Return(address, bytes);
        }
        // Every piece is one free range again.
        for (int i = 0; i < held >> 16; i++)
        {
            _ = arena.Take(1 << 16);
        }
        Assert.Equal(held, arena.Bytes);
        _ = arena.Take(1);
        Assert.True(arena.Bytes > held);
    }
}
