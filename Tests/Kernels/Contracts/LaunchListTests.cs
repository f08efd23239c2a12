using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.Kernels.Contracts.Cuda;

namespace Llama4Kernels.Tests.Kernels.Contracts;

/// <summary>Launches that wait keep their arguments, wherever the list's memory ends when one is added.</summary>
public sealed unsafe class LaunchListTests
{
    [Fact]
    public void ArgumentsOutliveEveryGrowth()
    {
        // A first launch of each length puts the end of the memory at another place within a line of 64 bytes.
        for (int length = 4097; length <= 4097 + LaunchList.Alignment; length++)
        {
            var list = new LaunchList();
            var expected = new List<byte[]>();
            var random = new Random(length);
            for (int i = 0; i < 400; i++)
            {
                byte[] arguments = new byte[i == 0 ? length : 1 + (i % 90)];
                random.NextBytes(arguments);
                list.Add(null, new CudaDim3(i + 1), new CudaDim3(1), arguments);
                expected.Add(arguments);
            }
            for (int i = 0; i < expected.Count; i++)
            {
                LaunchList.Launch launch = list[i];
                Assert.Equal((i + 1, expected[i].Length, 0), ((int)launch.Grid.X, launch.Bytes, launch.First % LaunchList.Alignment));
                Assert.True(expected[i].AsSpan().SequenceEqual(new ReadOnlySpan<byte>(list.Arguments(launch), launch.Bytes)), $"first {length}, launch {i}");
            }
            Assert.True(list.Matches(list.Clone()));
        }
    }
}
