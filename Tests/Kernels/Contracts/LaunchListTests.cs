using Llama4Kernels.Kernels.Contracts.Cuda;

namespace Llama4Kernels.Tests.Kernels.Contracts;

public sealed class LaunchListTests
{
    /// <summary>Whatever the sizes, so that the list's memory grows at every place that a launch can have.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(24)]
    [InlineData(63)]
    [InlineData(64)]
    [InlineData(100)]
    [InlineData(130)]
    public unsafe void EveryLaunchKeepsItsArgumentsWhileTheListGrows(int bytes)
    {
        var random = new Random(bytes);
        var list = new LaunchList();
        List<byte[]> added = [];
        for (int i = 0; i < 700; i++)
        {
            byte[] arguments = new byte[random.Next(1, bytes + 1)];
            random.NextBytes(arguments);
            list.Add(null, default, default, arguments);
            added.Add(arguments);
        }
        LaunchList copy = list.Clone();
        Assert.True(copy.Matches(list));
        for (int i = 0; i < added.Count; i++)
        {
            Assert.Equal(added[i], new ReadOnlySpan<byte>(list.Arguments(list[i]), list[i].Bytes));
            Assert.Equal(added[i], new ReadOnlySpan<byte>(copy.Arguments(copy[i]), copy[i].Bytes));
            Assert.Equal(0, (nint)list.Arguments(list[i]) % LaunchList.Alignment);
        }
    }
}
